from laws import everything
from makers import GROUPS


@everything(GROUPS["interference"])
def test_laws(law, maker):
    law(maker)
