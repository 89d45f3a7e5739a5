from laws import everything
from makers import GROUPS


@everything(GROUPS["blur"])
def test_laws(law, maker):
    law(maker)
