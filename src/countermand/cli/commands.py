"""Every command, by the name it is called with and the place it is found at."""

from importlib.metadata import version

from cyclopts import App

app = App(name="countermand", help="Order-item cancellation.", version=lambda: version("countermand"))

for name, place in {
    "serve": "countermand.cli.running:serve",
    "migrate": "countermand.cli.running:migrate",
    "check": "countermand.cli.checking:check",
    "doctor": "countermand.cli.checking:doctor",
    "backup": "countermand.cli.keeping:backup",
    "restore": "countermand.cli.keeping:restore",
    "export": "countermand.cli.exporting:export",
    "demo": "countermand.cli.demo:demo",
    "orders": "countermand.cli.listing:orders",
    "cancellations": "countermand.cli.listing:cancellations",
    "timeline": "countermand.cli.timelines:timeline",
    "ask": "countermand.cli.asking:ask",
    "accept": "countermand.cli.answers:accept",
    "decline": "countermand.cli.answers:decline",
    "withdraw": "countermand.cli.answers:withdraw",
    "reassign": "countermand.cli.answers:reassign",
    "status-link": "countermand.cli.status_links:status_link",
    "quote": "countermand.cli.refunds:quote",
    "refunds": "countermand.cli.refunds:refunds",
    "score": "countermand.cli.scores:score",
    "score-exclude": "countermand.cli.scores:score_exclude",
    "score-restore": "countermand.cli.scores:score_restore",
    "audit": "countermand.cli.audit:audit",
    "worker": "countermand.cli.running:worker",
    "notices": "countermand.cli.notices:notices",
    "replay": "countermand.cli.notices:replay",
    "recover": "countermand.cli.notices:recover",
    "plaza": "countermand.cli.bol_plaza:plaza",
    "bol": "countermand.cli.bol_retailer:bol",
    "listen": "countermand.cli.following:listen",
    "trigger": "countermand.cli.following:trigger",
    "open": "countermand.cli.following:open_page",
    "completion": "countermand.cli.completing:completion",
}.items():
    app.command(place, name=name)

for noun, help_text, verbs in (
    (
        "party",
        "Retailers, suppliers and the platform.",
        {"parties": ("add", "list"), "leaving": ("deactivate", "activate")},
    ),
    ("user", "People who can log in.", {"users": ("add", "list", "disable", "enable", "password", "log-out")}),
    ("token", "Secrets that programs call with.", {"credentials": ("create", "list", "rename", "revoke")}),
    ("plaza-key", "Key pairs that Plaza clients sign with.", {"credentials": ("create", "list", "revoke")}),
    ("client-credentials", "OAuth clients of bol's Retailer API.", {"clients": ("create", "list", "revoke")}),
    ("signature-keys", "Keys that sign messages to subscriptions.", {"signature_keys": ("list", "rotate")}),
    (
        "endpoint",
        "Where parties are notified.",
        {"endpoints": ("add", "list", "pause", "resume", "confirm", "rotate", "remove", "test")},
    ),
    ("refund", "What a person does about a refund.", {"refunds": ("paid", "close", "retry", "correct")}),
    ("payment", "The payments of an order.", {"payments": ("add", "capture", "list")}),
    ("db", "The servers that the database is spread over.", {"spreading": ("status", "distribute", "rebalance")}),
    ("policy", "What retailers and suppliers agreed on.", {"policies": ("show", "set")}),
):
    group = App(name=noun, help=help_text)
    for module, names in verbs.items():
        for name in names:
            function = f"{noun}_{name}".replace("-", "_")
            group.command(f"countermand.cli.{module}:{function}", name=name)
    app.command(group)

config = App(name="config", help="The settings.")
config.command("countermand.cli.checking:config_show", name="show")
app.command(config)

events = App(name="events", help="What happens at a service.")
events.command("countermand.cli.following:events_tail", name="tail")
app.command(events)

order = App(name="order", help="Place orders, and erase a customer.")
order.command("countermand.cli.orders:order_add", name="add")
order.command("countermand.cli.erasing:order_erase", name="erase")
app.command(order)
