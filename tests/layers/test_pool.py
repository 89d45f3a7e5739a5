from laws import everything
from makers import GROUPS


@everything(GROUPS["pool"])
def test_laws(law, maker):
    law(maker)
