from laws import everything
from makers import GROUPS


@everything(GROUPS["channels"])
def test_laws(law, maker):
    law(maker)
