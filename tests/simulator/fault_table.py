"""The table of faults in docs/simulator.md, written from the catalogue."""

from wanbatch.simulator.kinds import ALL, API, CATALOGUE, Kind


def row(kind: Kind) -> str:
    where = "all" if kind.where == ALL else "all but video" if kind.where == API else ", ".join(kind.where)
    said = [*(f"`{name}` (required)" for name in kind.needs), *(f"`{name}`" for name in kind.takes)]
    shapes = f": {', '.join(f'`{shape}`' for shape in kind.shapes)}" if kind.shapes else ""
    shapes += f": {', '.join(f'`{code}`' for code in kind.codes)}" if kind.codes else ""
    done = "no" if kind.spares else "later" if kind.name == "land_late" else "yes"
    return f"| `{kind.name}` | {where} | {', '.join(said)} | {done} | {kind.does}{shapes} |"


def markdown() -> str:
    """Every kind, a row each."""
    head = ["| kind | endpoint | fields | done? | what happens |", "|---|---|---|---|---|"]
    return "\n".join([*head, *map(row, CATALOGUE)])
