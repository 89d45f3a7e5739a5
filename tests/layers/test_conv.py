from laws import everything
from makers import GROUPS


@everything(GROUPS["conv"])
def test_laws(law, maker):
    law(maker)
