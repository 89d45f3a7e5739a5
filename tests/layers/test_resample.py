from laws import everything
from makers import GROUPS


@everything(GROUPS["resample"])
def test_laws(law, maker):
    law(maker)
