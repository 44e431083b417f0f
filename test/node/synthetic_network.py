"""
A network that knows the synthetic world, trained in 40 to 90 seconds of one core.

Where PyTorch is not installed it is a graph that knows the world's colours instead (graphs.py).
"""

from contextlib import contextmanager

import cv2
from fcn_seg_ros.networks.registry import Registry
from networks import WEIGHTS
import numpy as np
import synthetic_world as synthetic
from without_torch import HAS_TORCH
import yaml

if HAS_TORCH:
    from fcn_seg_ros.inference.preprocess import Preprocessor
    from fcn_seg_ros.networks.model import FCNResNet18, interpolate_scores
    from safetensors.torch import load_file, save_file
    import torch
    import torch.nn.functional as F
else:
    from graphs import write_colour_graph

NAME = 'synthetic'
WIDTH, HEIGHT = 320, 240
VIEWS, STEPS, BATCH = 40, 360, 8
RATE = 3e-3


def write_synthetic_network(models_dir):
    """Write ``models_dir/synthetic``, of which equal machines get equal ones."""
    folder = models_dir / NAME
    folder.mkdir(parents=True)
    classes = zip(synthetic.LABELS, synthetic.COLORS, synthetic.ROLES, synthetic.COSTS)
    about = {
        'name': NAME, 'width': WIDTH, 'height': HEIGHT, 'decoder': 'fcn8s', 'classes': [
            {'label': label, 'color': list(color), 'role': role}
            | ({'cost': cost} if role == 'ground' else {})
            for label, color, role, cost in classes]}
    if HAS_TORCH:
        save_file(_trained().state_dict(), folder / WEIGHTS)
    else:
        write_colour_graph(folder / WEIGHTS, HEIGHT, WIDTH)
        about |= {'mean': [0.0, 0.0, 0.0], 'std': [1.0, 1.0, 1.0]}
    (folder / 'network.yaml').write_text(yaml.safe_dump(about))


def _trained():
    """Return a model with the bundled network's backbone and decoders that are trained anew."""
    rng = np.random.default_rng(0)
    with _one_thread(), torch.random.fork_rng():
        torch.manual_seed(0)
        model = FCNResNet18(len(synthetic.LABELS), 'fcn8s')
        registry = Registry.load()
        bundled = registry.get('fcn-resnet18-street')
        _take_backbone(model, registry.find_weights(bundled))
        preprocess = Preprocessor((HEIGHT, WIDTH), bundled.mean, bundled.std)
        _train_decoders(model, *_features(model, preprocess, rng), rng)
    return model


@contextmanager
def _one_thread():
    """
    Use one thread of torch's.

    Several are a little faster where nothing else runs, and many times slower where their
    fellows keep the cores busy, since they wait for each other at every layer.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _take_backbone(model, path):
    weights = load_file(path)
    backbone = {name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in weights.items() if name.startswith('backbone.')}
    missing, unexpected = model.load_state_dict(backbone, strict=False)
    assert not unexpected
    assert not any(name.startswith('backbone.') for name in missing
                   if not name.endswith('num_batches_tracked'))


def _features(model, preprocess, rng):
    """Return the backbone's features of random views and their mirror images, and the classes."""
    model.eval()
    features, classes = [], []
    for _ in range(VIEWS):
        camera = synthetic.random_camera(rng, width=WIDTH, height=HEIGHT, focal=240.0)
        view = synthetic.render(synthetic.random_world(rng), camera, samples=1)
        for rgb, kind in ((view.rgb, view.class_mask),
                          (cv2.flip(view.rgb, 1), cv2.flip(view.class_mask, 1))):
            with torch.no_grad():
                features.append(model.features(preprocess([rgb]))[1:])
            classes.append(torch.from_numpy(kind).long())
    return [torch.cat(stride) for stride in zip(*features)], torch.stack(classes)


def _train_decoders(model, features, classes, rng):
    decoders = (model.classifier, model.skip16, model.skip8, model.up16, model.up8)
    parameters = [p for decoder in decoders for p in decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, STEPS)
    for decoder in decoders:
        decoder.train()
    model.features = lambda known: known  # the backbone stays as it is: worked out once
    for _ in range(STEPS):
        some = rng.integers(0, len(classes), BATCH)
        scores, _ = model.forward_all([None, *(stride[some] for stride in features)])
        loss = F.cross_entropy(interpolate_scores(scores, (HEIGHT, WIDTH)), classes[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    del model.features
    model.eval()
