"""What docs/simulator.md says of faults is what the simulator does, and its plans can be used as printed."""

import re
from pathlib import Path

import pytest
import yaml
from simulator.fault_table import markdown

from wanbatch.simulator.faults import Faults

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")
PLANS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_of_kinds_is_the_catalogue():
    table = re.search(r"<!-- generated: faults -->\n\n(.*?)\n\n<!-- /generated -->", PAGE, re.DOTALL)
    assert table
    assert table[1] == markdown()


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_in_the_documents_can_be_used_as_printed(plan):
    assert len(Faults.from_list(yaml.safe_load(plan))) == plan.count("endpoint:")


def test_the_documents_have_a_few_plans_ready():
    assert len(PLANS) == 4
