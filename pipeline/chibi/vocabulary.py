"""The words that `chibi` understands, their synonyms and their colours.

Owns tags and colours only: how a tag is drawn is the painter's business, how it is said is
`captions`' business, and the words of the styles belong to `pipeline.core.styles`.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from pipeline.core.styles import PRESETS

Color: TypeAlias = tuple[int, int, int]

HAIR_COLORS: Final[Mapping[str, Color]] = {
    "black": (54, 50, 70),
    "brown": (134, 82, 48),
    "blonde": (252, 216, 108),
    "red": (214, 48, 48),
    "orange": (246, 140, 44),
    "pink": (255, 152, 194),
    "purple": (148, 92, 206),
    "blue": (62, 116, 226),
    "green": (74, 178, 92),
    "silver": (208, 212, 224),
}
HAIR_STYLES: Final = ("long hair", "short hair", "twintails", "ponytail", "bob cut", "spiky hair")
EYE_COLORS: Final[Mapping[str, Color]] = {
    "blue": (44, 128, 238),
    "green": (40, 176, 88),
    "brown": (150, 86, 36),
    "red": (226, 40, 56),
    "purple": (154, 78, 222),
    "yellow": (250, 194, 30),
}
EXPRESSIONS: Final = ("smile", "laughing", "sad", "angry", "surprised", "expressionless")
OUTFITS: Final = ("school uniform", "hoodie", "kimono", "jacket", "dress")
OUTFIT_COLORS: Final[Mapping[str, Color]] = {
    "red": (210, 46, 56),
    "blue": (54, 98, 210),
    "green": (54, 152, 84),
    "black": (56, 54, 66),
    "white": (246, 246, 250),
    "yellow": (248, 206, 62),
    "purple": (142, 84, 190),
}
BACKGROUNDS: Final = (
    "city at night",
    "classroom",
    "forest",
    "beach",
    "sunset",
    "starry sky",
    "cherry blossoms",
    "blue sky",
    "rain",
    "simple background",
)
SKINS: Final[Mapping[str, Color]] = {
    "pale skin": (255, 230, 214),
    "tan skin": (228, 170, 122),
    "dark skin": (142, 90, 64),
}
ACCESSORIES: Final = ("glasses", "headphones", "cat ears", "hair bow", "scarf", "flower")
GAZES: Final = ("looking at viewer", "looking to the side")

FRAMINGS: Final = ("upper body", "portrait", "cowboy shot")
"""How much of a figure is seen; the first is what most pictures show."""

STYLES: Final = tuple(PRESETS)
QUALITY: Final = ("masterpiece", "best quality")
"""Words that users write out of habit; they carry no meaning here."""

SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "1girl": ("solo", "girl"),
    "2girls": ("two girls", "multiple girls"),
    "silver hair": ("grey hair", "white hair", "gray hair"),
    "blonde hair": ("blond hair", "golden hair"),
    "yellow eyes": ("golden eyes", "amber eyes"),
    "purple eyes": ("violet eyes",),
    "twintails": ("twin tails", "pigtails"),
    "ponytail": ("pony tail", "side ponytail"),
    "bob cut": ("bob hair", "blunt bangs"),
    "spiky hair": ("spiked hair", "messy hair"),
    "smile": ("smiling", "happy"),
    "laughing": ("laugh", "closed eyes"),
    "sad": ("crying", "tears"),
    "angry": ("anger", "mad"),
    "surprised": ("shocked", "open mouth"),
    "expressionless": ("bored", "serious"),
    "school uniform": ("sailor uniform", "serafuku"),
    "city at night": ("night city", "city lights"),
    "forest": ("woods", "trees"),
    "beach": ("sea", "ocean"),
    "sunset": ("evening sky", "dusk"),
    "starry sky": ("night sky", "stars"),
    "cherry blossoms": ("sakura", "cherry blossom"),
    "blue sky": ("clouds", "day sky"),
    "rain": ("rainy", "raining"),
    "simple background": ("plain background", "white background"),
    "dark skin": ("brown skin",),
    "tan skin": ("tanned skin",),
    "pale skin": ("fair skin",),
    "glasses": ("eyeglasses",),
    "headphones": ("headset",),
    "cat ears": ("nekomimi", "animal ears"),
    "hair bow": ("hair ribbon", "red bow"),
    "looking at viewer": ("facing viewer",),
    "looking to the side": ("looking away", "three-quarter view"),
    "portrait": ("close-up", "face focus"),
    "upper body": ("bust",),
    "cowboy shot": ("half body", "waist up"),
    "flower": ("hair flower", "flower in hair"),
}
