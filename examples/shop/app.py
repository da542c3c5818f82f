"""A tea shop: takes orders at once and does the slow part (mails, warehouse, reports) in the background."""

import logging
import os

from hypern import Hypern

from routes.orders import router as orders
from routes.reports import router as reports
from routes.tasks import router as tasks

logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")

app = Hypern(task_workers=4, task_queue_size=1000)
app.use(orders)
app.use(reports)
app.use(tasks)

if __name__ == "__main__":
    app.listen(int(os.environ.get("PORT", "3000")))
