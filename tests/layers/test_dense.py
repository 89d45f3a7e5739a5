from laws import everything
from makers import GROUPS


@everything(GROUPS["dense"])
def test_laws(law, maker):
    law(maker)
