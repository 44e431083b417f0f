"""What the tests of weights share: whole weights, and how files of them come to be."""

import published


def state(decoder='fcn32s'):
    """Return the state_dict without counters, as files of our own hold it."""
    return {name: tensor for name, tensor in published.model(decoder).state_dict().items()
            if not name.endswith('num_batches_tracked')}


def write(tmp_path, data, name='model.safetensors'):
    """Write a file; return its path."""
    path = tmp_path / name
    path.write_bytes(data)
    return path
