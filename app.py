"""The accounts API: every route, the authorizer that guards them, and what runs unattended.

`chalice local` and `chalice deploy` read the app from here. What the routes do is below
`chalicelib`; what surrounds them (tables, keys, the local cloud) is below `infra`.
"""

from chalice.app import Chalice

from chalicelib.api import accounts, auth, documents, mailed_links
from chalicelib.authorizer import authorizers
from chalicelib.couriers import couriers
from chalicelib.schedules import schedules
from chalicelib.telemetry import configure

configure()
app = Chalice(app_name="accounts", configure_logs=False)

app.register_blueprint(authorizers)
app.register_blueprint(schedules)
app.register_blueprint(couriers)
app.register_blueprint(accounts.routes)
app.register_blueprint(auth.routes)
app.register_blueprint(mailed_links.routes)
app.register_blueprint(documents.routes)
