from laws import everything
from makers import GROUPS


@everything(GROUPS["norm"])
def test_laws(law, maker):
    law(maker)
