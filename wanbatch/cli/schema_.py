"""`wanbatch schema`: the JSON Schemas, for editors and other tools."""

import click

from wanbatch.service import catalog


@click.command("schema")
@click.option("--request", metavar="MODEL", help="The schema of a request to MODEL instead of the manifest's.")
def command(request: str | None) -> None:
    """Print the JSON Schema of manifests.

    An editor with yaml-language-server explains every key on hover when the manifest's first line is
    `# yaml-language-server: $schema=manifest.schema.json` and this output is in that file.
    """
    if request is None:
        name = "manifest.schema.json"
    else:
        family = catalog.family(request)
        if family is None:
            known = ", ".join(catalog.models())
            raise click.BadParameter(f"{request!r} is not known; one of {known}", param_hint="--request")
        name = catalog.data()["families"][family]["schema"]
    click.echo(catalog.schema_text(name), nl=False)
