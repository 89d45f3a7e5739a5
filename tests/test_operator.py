from laws import everything
from makers import GROUPS


@everything(GROUPS["operator"])
def test_laws(law, maker):
    law(maker)
