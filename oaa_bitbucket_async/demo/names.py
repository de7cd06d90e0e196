"""The words for the names in a synthetic estate."""

# ruff: noqa: SIM905  # a list of words reads best as words

GIVEN_NAMES = tuple(
    "Ada Aisha Alan Amara Anders Ángel Anke Anton Asuka Barbara Björn Bo Carla Chen Clément Conor Dalia Daniel "
    "Dörte Edsger Elif Emre Erika Farah Felix Fiona Françoise Gökhan Grace Hana Hedy Hiro Ingrid Ivan Jürgen "
    "Kasia Ken Lars Leila Linus Łukasz Mai Margaret Marek Maja Mina Mohamed Nadia Niklaus Nuria Olga Oskar Pavel "
    "Priya Radia Rafael Renée Rosa Sadie Samir Sean Søren Tariq Thandi Ulrike Uma Viktor Wanjiru Xiu Yara Zoë".split()
)
SURNAMES = tuple(
    "Abebe Adeyemi Allen Bauer Bernard Borg Castillo Chandra Cohen Costa Dijkstra Dubois Eriksen Farouk Fischer "
    "García Goldberg Gupta Haddad Hamilton Hansen Hopper Ito Jansen Johansson Kaya Keller Kim Kowalski Kovač Lamarr "
    "Larsen Liskov Lovelace Macías Mbeki Meyer Moreau Müller Nakamura Nguyen Novák O'Brien O'Neil Okafor Olsen "
    "Özdemir Pereira Perlman Petrov Quist Ramos Richter Rossi Sato Schäfer Schneider Silva Singh Smith Sørensen "
    "Strauß Tanaka Turing Usman Vasquez Wang Weiß Wirth Yamada Yılmaz Zhang Zieliński".split()
)
TEAMS = tuple(
    "Accounting Analytics Billing Branches Cards Checkout Claims Cloud Compliance Data Delivery Design Devices Fraud "
    "Fulfilment Hardware Identity Insurance Inventory Kernel Kiosk Ledger Lending Logistics Maps Markets Messaging "
    "Mobile Networks Onboarding Orders Payments Platform Pricing Procurement Quality Returns Risk Search Security "
    "Shipping Storage Support Tax Telemetry Trading Treasury Vault Warehouse Web".split()
)
ROLES = ("developers", "admins", "leads", "readers", "on call", "contractors", "release managers", "reviewers")
NOUNS = tuple(
    "agent api app batch bot bridge broker cache charts cli client config connector console consumer core crawler "
    "dashboard docs engine etl exporter feed forms frontend gateway importer infra ingest jobs lib loader mailer "
    "migrations model monitor notifier parser pipeline plugin portal producer proxy queue registry reports rules "
    "runner scheduler schema scripts sdk service site spec store sync terraform tests tools ui validator watcher "
    "webhook worker".split()
)
DIRECTORIES = ("Corporate LDAP", "Corporate LDAP", "Corporate LDAP", "Bitbucket Internal Directory", "Crowd")
ODD_GROUPS = (
    "Entwicklung Süd/Kärnten",
    "R&D 100% remote",
    "QA/Test, Zürich + Genève",
    "Team “Blue” (legacy)",
    "DOMAIN\\contractors",
    "a=b&c=d?e#f",
)
"""Group names that a URL has to escape."""
