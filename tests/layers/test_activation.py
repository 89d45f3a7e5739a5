from laws import everything
from makers import GROUPS


@everything(GROUPS["activation"])
def test_laws(law, maker):
    law(maker)
