import numpy as np
import pytest

from aplomb.errors import BadInput
from aplomb.layers import lstm, lstm_cell, relu
from laws import close, everything
from makers import GROUPS, trained


@everything(GROUPS["recurrent"])
def test_laws(law, maker):
    law(maker)


def test_a_number_is_kept_over_many_steps():
    """A sequence of (value, flag): the output is the value that was flagged, however long ago, and nothing else.

    The flag opens the input gate and shuts the forget gate; without it the content stays as it is.
    """
    far = 40.0
    weight, bias = np.zeros((4, 3), np.float32), np.array([-far, far, 0, far], np.float32)  # gates i, f, g, o
    weight[0, 2], weight[1, 2], weight[2, 1] = 2 * far, -2 * far, 1.0  # of (h, value, flag)
    memory = lstm_cell(2, 1).with_weights({"0.weight": weight, "0.bias": bias})
    steps, rng = 60, np.random.default_rng(0)
    sequence = np.stack([rng.uniform(-1, 1, (50, steps)), np.zeros((50, steps))], axis=2)
    flagged = rng.integers(0, steps, 50)
    sequence[np.arange(50), flagged, 1] = 1
    wanted = np.tanh(np.tanh(sequence[np.arange(50), flagged, 0]))
    close(lstm(memory, steps)(sequence.reshape(50, -1))[:, 0], wanted, 1e-9)


def test_it_is_the_cell_of_torch():
    torch = pytest.importorskip("torch")
    cell, theirs = trained(lstm_cell(3, 5)), torch.nn.LSTMCell(3, 5)
    w, b = cell.weights()["0.weight"], cell.weights()["0.bias"]
    mine = {"weight_hh": w[:, :5], "weight_ih": w[:, 5:], "bias_ih": b, "bias_hh": 0 * b}
    theirs.load_state_dict({name: torch.from_numpy(a.copy()) for name, a in mine.items()})
    c, h, x = (np.random.default_rng(0).normal(size=(2, n)).astype(np.float32) for n in (5, 5, 3))
    h_after, c_after = theirs(torch.from_numpy(x), (torch.from_numpy(h), torch.from_numpy(c)))
    close(cell(np.concatenate([c, h, x], 1)), torch.cat([c_after, h_after], 1).detach().numpy(), 1e-6)


def test_a_sequence_has_one_set_of_weights():
    cell = lstm_cell(2, 3, seed=4)
    assert lstm(cell, 7).parameters == cell.parameters == 4 * 3 * (3 + 2 + 1)
    assert lstm(cell, 7) == lstm(cell, 7)
    assert lstm(cell, 7) != lstm(cell, 6)
    assert lstm(cell, 7).multiply_adds((1, 14)) == 7 * cell.multiply_adds((1, 8))


@pytest.mark.parametrize("wrong", [lambda: lstm_cell(0, 2), lambda: lstm(relu, 2), lambda: lstm(lstm_cell(1, 1), 0)])
def test_nonsense_is_refused(wrong):
    with pytest.raises(BadInput):
        wrong()
