"""Names of personas: readable, unique, the same whenever the log is read again. Pure."""

import hashlib
from collections.abc import Container
from itertools import count
from typing import Final

ADJECTIVES: Final = (
    *("Amber", "Arctic", "Ardent", "Autumn", "Azure", "Bold", "Brave", "Breezy", "Bright", "Brisk", "Bronze", "Calm"),
    *("Candid", "Cheery", "Clear", "Clever", "Cobalt", "Copper", "Coral", "Cosmic", "Crimson", "Crisp", "Crystal"),
    *("Curious", "Dapper", "Daring", "Dawn", "Deft", "Eager", "Early", "Earnest", "Ember", "Emerald", "Fabled"),
    *("Fearless", "Fern", "Festive", "Fleet", "Gallant", "Gentle", "Gilded", "Glad", "Golden", "Granite", "Hardy"),
    *("Hazel", "Hidden", "Humble", "Indigo", "Iron", "Ivory", "Jade", "Jolly", "Keen", "Kind", "Lively", "Lucid"),
    *("Lucky", "Lunar", "Maple", "Marble", "Mellow", "Merry", "Mighty", "Misty", "Modest", "Mossy", "Nimble", "Noble"),
    *("Northern", "Oaken", "Opal", "Patient", "Pearl", "Plucky", "Polar", "Proud", "Quick", "Quiet", "Radiant"),
    *("Royal", "Ruby", "Rustic", "Sage", "Sapphire", "Scarlet", "Serene", "Silent", "Silver", "Solar", "Spry"),
    *("Starry", "Steady", "Stellar", "Sterling", "Summer", "Sunny", "Swift", "Tidal", "Topaz", "Tranquil", "Trusty"),
    *("Valiant", "Velvet", "Verdant", "Vivid", "Wandering", "Winter", "Wise", "Witty", "Zesty"),
)
NOUNS: Final = (
    *("Acorn", "Albatross", "Anchor", "Antelope", "Anvil", "Arrow", "Aspen", "Badger", "Beacon", "Birch", "Bison"),
    *("Bobcat", "Brook", "Canyon", "Caribou", "Cedar", "Cheetah", "Comet", "Compass", "Condor", "Coyote", "Crane"),
    *("Cypress", "Dolphin", "Dove", "Dragonfly", "Eagle", "Elk", "Falcon", "Ferret", "Finch", "Firefly", "Fjord"),
    *("Forge", "Fox", "Gazelle", "Gecko", "Glacier", "Grove", "Harbor", "Hare", "Harp", "Hawk", "Heron", "Ibex"),
    *("Jaguar", "Kestrel", "Kingfisher", "Kite", "Koala", "Lantern", "Lark", "Lemur", "Leopard", "Lighthouse"),
    *("Llama", "Lynx", "Magpie", "Mammoth", "Manatee", "Marmot", "Marten", "Meadow", "Meteor", "Mongoose", "Moose"),
    *("Narwhal", "Nebula", "Nightingale", "Ocelot", "Orca", "Oriole", "Osprey", "Otter", "Owl", "Panda", "Panther"),
    *("Parrot", "Pelican", "Penguin", "Petrel", "Phoenix", "Pine", "Plover", "Prairie", "Puffin", "Puma", "Quail"),
    *("Quill", "Raven", "Reef", "River", "Robin", "Salmon", "Seal", "Sequoia", "Sparrow", "Squirrel", "Stag"),
    *("Sandpiper", "Starling", "Summit", "Swan", "Tapir", "Tern", "Thrush", "Tiger", "Toucan", "Trout", "Turtle"),
    *("Walrus", "Willow", "Wolf", "Wombat", "Wren", "Yak", "Zebra"),
)
COMBINATIONS: Final = len(ADJECTIVES) * len(NOUNS)
STRIDE: Final = len(NOUNS) + 1
"""To the next combination, which shares neither word with the one before. Prime to their number, so it meets all."""
_ROMAN: Final = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL")),
    *((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)


def name_for(persona_id: str, used: Container[str]) -> str:
    """A name that is not in use, by the persona's id; when all combinations are, with a number: `Amber Falcon II`."""
    digest = hashlib.blake2b(persona_id.encode(errors="replace"), digest_size=8).digest()
    first = int.from_bytes(digest)
    for generation in count(1):
        ending = "" if generation == 1 else f" {roman(generation)}"
        for step in range(COMBINATIONS):
            name = _combination(first + step * STRIDE) + ending
            if name not in used:
                return name
    raise AssertionError("the numbers never end")


def roman(number: int) -> str:
    """A number from 1 in Roman digits."""
    digits = ""
    for value, digit in _ROMAN:
        times, number = divmod(number, value)
        digits += digit * times
    return digits


def _combination(number: int) -> str:
    adjective, noun = divmod(number % COMBINATIONS, len(NOUNS))
    return f"{ADJECTIVES[adjective]} {NOUNS[noun]}"
