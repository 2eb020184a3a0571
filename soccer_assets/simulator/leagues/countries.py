"""The catalogue of invented countries: data alone, so that adding one touches nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    """One country: its leagues and cup, when it plays, and how its clubs are named."""

    id: int
    code: str
    name: str
    utc_offset: int
    sizes: tuple[int, int]
    """Teams in the first and the second division."""
    leagues: tuple[str, str]
    cup: str
    stems: str
    endings: str
    """A town is a stem and an ending."""
    forms: tuple[str, ...]
    """What a club may make of its town's name."""
    exchanged: int = 3
    """Teams promoted, and as many relegated."""
    calendar_year: bool = False
    """Seasons run from spring to autumn of one year."""
    winter_break: bool = False
    women: int = 0
    """Teams in the women's league, 0 for none."""
    minutes_later: int = 0
    """Against the usual kick-off times."""


COUNTRIES = (
    Country(
        1, "xa", "Albreth", 0, (20, 20), ("Premier Division", "Championship Division"),
        "Crown Cup", "Brenn Colver Dray Elmin Farro Grinsel Kessel Larch Morven Ottel Tolver Wither",
        "ford ham wick mere combe stead thorpe minster",
        ("{} United", "{} Town", "{} City", "{} Rovers", "{} Athletic", "{}", "{} Albion"),
        women=12,
    ),
    Country(
        2, "xb", "Castellor", 1, (20, 20), ("Liga Mayor", "Liga Menor"), "Copa del Reino",
        "Valde Monte Puerto Sora Alca Belmi Cordo Espi Galla Herra Juna Torre",
        "rosa lejo mira zano quera vilar bejo nera",
        ("Real {}", "Atlético {}", "CD {}", "{} CF", "Deportivo {}", "UD {}"),
        women=12, minutes_later=60,
    ),
    Country(
        3, "xc", "Teutmark", 1, (18, 18), ("Oberliga", "Zweite Oberliga"), "Teutmark-Pokal",
        "Alvern Birsen Dornel Eschel Falgen Horsel Krumbel Lorben Ommer Rauden Sturm Wessel",
        "bruck hagen rode stedt walde furt kirch tal",
        ("SV {}", "FC {}", "VfR {}", "{} 04", "Eintracht {}", "TSV {}", "Blau-Weiss {}"),
        exchanged=2, winter_break=True,
    ),
    Country(
        4, "xd", "Lusenne", 1, (18, 18), ("Division Une", "Division Deux"), "Coupe Nationale",
        "Bero Charmi Fonte Grali Lauve Marni Ponta Riva Saint-Alo Villo Aube Toure",
        "vrac lieu mireux sanne court belle gny rault",
        ("{}", "Olympique {}", "Stade {}", "AS {}", "FC {}", "Racing {}"),
    ),
    Country(
        5, "xe", "Vespera", 1, (20, 18), ("Lega Prima", "Lega Seconda"), "Coppa Vespera",
        "Aque Borgo Casti Fiora Luce Monta Pietra Rocca Sante Torra Verde Vola",
        "liano vento rano sella digo miro nuovo tese",
        ("{}", "{} Calcio", "AC {}", "US {}", "Virtus {}", "Pro {}"),
    ),
    Country(
        6, "xf", "Zoravia", 2, (16, 16), ("Prva Liga", "Druga Liga"), "Kup Zoravije",
        "Belti Chern Drago Goral Krasel Novet Radi Slav Starov Trebi Vrba Zlat",
        "grad slavka pole nik vets mir ovo dolina",
        ("FK {}", "{}", "Sloga {}", "Dinamo {}", "Zeleznik {}", "NK {}"),
        exchanged=2, winter_break=True,
    ),
    Country(
        7, "xg", "Nederhaven", 1, (18, 16), ("Hoofdklasse", "Eerste Klasse"), "Nederhaven Beker",
        "Alder Bruin Drenk Gelver Hoeks Kampel Moster Norder Schelp Twens Velder Zwans",
        "drecht horst veen sluis broek waard kapel loo",
        ("{}", "VV {}", "FC {}", "Sparta {}", "Go Ahead {}", "SC {}"),
    ),
    Country(
        8, "xh", "Norrmark", 1, (16, 16), ("Toppserien", "Forstedivision"), "Norrmark Cup",
        "Bjork Elv Fjell Gran Hav Kvit Lang Nord Orn Strand Ulv Vinter",
        "vik sund stad holm dal nes berga foss",
        ("{} IF", "{} BK", "IK {}", "{} FF", "IFK {}", "{}"),
        exchanged=2, calendar_year=True, women=12,
    ),
    Country(
        9, "xi", "Pampora", -3, (20, 20), ("Série Ouro", "Série Prata"), "Copa Pampora",
        "Avaca Boia Crusa Ibe Jara Mareci Parno Pirau Santa-Lu Taqui Ubera Vilo",
        "tuba nópolis guara mirim pema raba curi bela",
        ("{} FC", "EC {}", "Atlético {}", "{}", "Grêmio {}", "União {}"),
        calendar_year=True, minutes_later=60,
    ),
    Country(
        10, "xj", "Hinomoto", 9, (18, 18), ("H1 League", "H2 League"), "Chrysanthemum Cup",
        "Akino Fujira Harumi Ishino Kitsu Minori Nagiru Okuri Sakumi Tachi Uchiro Yamori",
        "hara zawa shiro gawa mura hama mori jima",
        ("{} Brave", "FC {}", "{} Crane", "{} Stars", "Vento {}", "{} SC"),
        calendar_year=True, minutes_later=-60,
    ),
)  # fmt: skip
