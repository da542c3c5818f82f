"""POST /reports"""

from hypern import BadRequest, Router

from services.reports import request_report

router = Router(prefix="/reports")


@router.post("/")
def create_report(req, res, ctx):
    try:
        pause = float(req.query("pause", "2"))
    except ValueError:
        raise BadRequest("The pause is a number of seconds.") from None
    res.status(202).json({"report_task": request_report(pause)})
