"""POST /orders"""

from hypern import BadRequest, Router

from services.orders import place_order

router = Router(prefix="/orders")


@router.post("/")
def create_order(req, res, ctx):
    data = req.json()
    match data:
        case {"email": str(email), "teas": [_, *_] as teas}:
            res.status(201).json(place_order(email, teas))
        case _:
            raise BadRequest("An order needs an email and a list of teas.")
