from laws import everything
from makers import GROUPS


@everything(GROUPS["sample"])
def test_laws(law, maker):
    law(maker)
