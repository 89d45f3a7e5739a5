from laws import everything
from makers import GROUPS


@everything(GROUPS["pad"])
def test_laws(law, maker):
    law(maker)
