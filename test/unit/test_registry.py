"""The registry: published, bundled and the user's own networks."""

from fcn_seg_ros.errors import RegistryError
from fcn_seg_ros.networks.decoders import DECODERS
from fcn_seg_ros.networks.registry import IMAGENET_MEAN, IMAGENET_STD, Registry
import pytest

PUBLISHED = {
    'fcn-resnet18-cityscapes-512x256': (21, 512, 256, 0.833),
    'fcn-resnet18-cityscapes-1024x512': (21, 1024, 512, 0.873),
    'fcn-resnet18-cityscapes-2048x1024': (21, 2048, 1024, 0.896),
    'fcn-resnet18-deepscene-576x320': (5, 576, 320, 0.964),
    'fcn-resnet18-deepscene-864x480': (5, 864, 480, 0.969),
    'fcn-resnet18-mhp-512x320': (21, 512, 320, 0.865),
    'fcn-resnet18-mhp-640x360': (21, 640, 360, 0.871),
    'fcn-resnet18-voc-320x320': (21, 320, 320, 0.859),
    'fcn-resnet18-voc-512x320': (21, 512, 320, 0.885),
    'fcn-resnet18-sun-512x400': (21, 512, 400, 0.643),
    'fcn-resnet18-sun-640x512': (21, 640, 512, 0.651),
}
OWN = 'classes: street\nwidth: 320\nheight: 240\n'


@pytest.fixture(scope='module')
def registry(tmp_path_factory):
    return Registry.load(tmp_path_factory.mktemp('models'))


@pytest.fixture
def models(tmp_path):
    """Return a function that writes files below a models folder and loads the registry."""
    def load(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Registry.load(tmp_path)
    return load


def test_published_networks(registry):
    for name, (classes, width, height, accuracy) in PUBLISHED.items():
        network = registry.get(name)
        assert network.name == name
        assert (len(network.classes), network.width, network.height) == (classes, width, height)
        assert network.accuracy == accuracy
        assert network.decoder == 'fcn32s'
        assert (network.mean, network.std) == (IMAGENET_MEAN, IMAGENET_STD)
        assert network.fps['xavier'] > network.fps['nano'] > 0
        assert network.archive.endswith(f'{width}x{height}.tar.gz')
        assert len(network.urls) == 2
        assert network.urls[1].endswith('/' + network.archive)
        assert network.folder is None
    assert not registry.problems


def test_names_and_addresses_are_all_different(registry):
    names = [n for network in registry.networks.values() for n in (network.name, *network.aliases)]
    urls = [url for network in registry.networks.values() for url in network.urls]
    assert len(set(names)) == len(names)
    assert len(set(urls)) == len(urls)


def test_bundled_network_comes_without_a_download(registry):
    network = registry.get('fcn-resnet18-street')
    assert network.classes.labels[0] == 'sky'
    assert network.decoder == 'ladder2'
    assert network.folder == registry.share / 'models' / 'fcn-resnet18-street'


@pytest.mark.parametrize('wanted, name', [
    ('fcn-resnet18-cityscapes', 'fcn-resnet18-cityscapes-512x256'),
    ('fcn_resnet18_cityscapes_1024x512', 'fcn-resnet18-cityscapes-1024x512'),
    ('FCN-ResNet18-DeepScene', 'fcn-resnet18-deepscene-576x320'),
    ('fcn-resnet18-pascal-voc', 'fcn-resnet18-voc-320x320'),
    ('fcn-resnet18-pascal-voc-512x320', 'fcn-resnet18-voc-512x320'),
    ('fcn-resnet18-mhp', 'fcn-resnet18-mhp-512x320'),
    ('fcn-resnet18-sun', 'fcn-resnet18-sun-512x400'),
])
def test_other_names(registry, wanted, name):
    assert registry.get(wanted).name == name


@pytest.mark.parametrize('wanted, hint', [
    ('fcn-resnet18-cityscape', 'did you mean fcn-resnet18-cityscapes'),
    ('alexnet', '"fcn-seg networks" lists them'),
    ('', 'unknown network'),
    ('x' * 10_000, 'unknown network'),
])
def test_unknown_name(registry, wanted, hint):
    with pytest.raises(RegistryError, match=hint) as caught:
        registry.get(wanted)
    assert len(str(caught.value)) < 400


def test_own_network(models):
    registry = models({'park/network.yaml': """
name: park_small
aliases: [park]
classes:
  - {label: path, color: [1, 2, 3], role: ground, cost: 5}
  - {label: tree, color: [4, 5, 6]}
width: 320
height: 240
decoder: fcn8s
accuracy: 0.5
mean_iou: 0.25
mean: [0.5, 0.5, 0.5]
std: [1, 1, 1]
"""})
    for name in ('park_small', 'park-small', 'park'):
        network = registry.get(name)
        assert network.name == 'park_small'
    assert network.classes.labels == ('path', 'tree')
    assert network.classes.roles == ('ground', 'unknown')
    assert network.classes.costs == (5, 0)
    assert (network.decoder, network.mean_iou) == ('fcn8s', 0.25)
    assert (network.mean, network.std) == ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    assert network.folder == registry.models_dir / 'park'


def test_own_network_is_named_like_its_folder_and_takes_its_classes_from_text(models):
    registry = models({'park/network.yaml': 'width: 320\nheight: 240\n',
                       'park/classes.txt': 'path\ntree\n', 'park/colors.txt': '1 2 3\n4 5 6\n'})
    network = registry.get('park')
    assert network.classes.labels == ('path', 'tree')
    assert network.classes.colors.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_text_files_win_over_the_yaml(models):
    registry = models({'park/network.yaml': OWN, 'park/classes.txt': 'road\nmoss\n'})
    classes = registry.get('park').classes
    assert classes.labels == ('road', 'moss')
    assert classes.roles == ('ground', 'unknown')


def test_name_without_resolution_is_the_smallest(models):
    registry = models({f'{size}/network.yaml': OWN.replace('320', size.split('x')[0])
                       + f'name: park-{size}\n' for size in ('640x240', '64x240', '320x240')})
    assert registry.get('park').name == 'park-64x240'


def test_own_network_hides_the_bundled_one(models):
    registry = models({'fcn-resnet18-street/network.yaml': OWN})
    assert registry.get('fcn-resnet18-street').width == 320
    assert len(registry.networks) == len(PUBLISHED) + 1


def test_network_by_path(models, tmp_path):
    registry = models({'elsewhere/park/network.yaml': OWN + 'name: hill\n'})
    folder = tmp_path / 'elsewhere' / 'park'
    for path in (folder, f'{folder}/', folder / 'network.yaml'):
        assert registry.get(path).name == 'hill'
    with pytest.raises(RegistryError, match='cannot read .*none/network.yaml'):
        registry.get(f'{tmp_path}/none/network.yaml')


def test_name_beats_a_folder_in_the_working_directory(models, tmp_path, monkeypatch):
    registry = models({'park/network.yaml': OWN, 'cwd/park/network.yaml': OWN + 'name: wrong\n'})
    monkeypatch.chdir(tmp_path / 'cwd')
    assert registry.get('park').name == 'park'


BAD = [
    ('[]', 'expected a mapping'),
    ('classes: street\nwidth: 320', "'height' is missing"),
    ('width: 320\nheight: 240', "'classes' is missing"),
    ('classes: moon\nwidth: 320\nheight: 240', "unknown set 'moon', known are cityscapes"),
    ('classes: ../street\nwidth: 320\nheight: 240', 'unknown set'),
    (OWN.replace('320', '31'), "'width' must be a whole number from 32 to 8192, not 31"),
    (OWN.replace('320', '320.0'), "'width' must be"),
    (OWN.replace('320', 'true'), "'width' must be"),
    (OWN.replace('320', '.nan'), "'width' must be"),
    (OWN + 'decoder: unet', f"'decoder' must be {' or '.join(DECODERS)}"),
    (OWN + 'accuracy: 83.3', "'accuracy' must be a number from 0 to 1, not 83.3"),
    (OWN + 'mean_iou: .nan', "'mean_iou' must be"),
    (OWN + 'mean: [0.5]', "'mean' must be three numbers"),
    (OWN + 'std: [0, 1, 1]', "'std' must be three numbers"),
    (OWN + 'std: [.inf, 1, 1]', "'std' must be three numbers"),
    (OWN + 'name: ../../etc', "'name' must be a name"),
    (OWN + 'name: a/b', "'name' must be a name"),
    (OWN + 'name: 5', "'name' must be a name.*quotes"),
    (OWN + 'aliases: park', "'aliases' must be a list"),
    (OWN + 'aliases: [5]', "'aliases' must be a list of names"),
    (OWN + 'urls: [file:///etc/passwd]', r"'urls' must be a list of http\(s\) addresses"),
    (OWN + 'urls: ["http://"]', "'urls' must be"),
    (OWN + 'sha256: abc', "'sha256' must be 64 hexadecimal digits"),
    (OWN + 'archive: ../x.tar.gz', "'archive' must be a file name"),
    (OWN + 'fps: 30', "'fps' must map"),
    (OWN + 'fps: {nano: fast}', "'fps' must map"),
    (OWN + 'weight: x', "unknown key 'weight', known are name, aliases"),
    ('a: &a [1]\nb: *a', 'aliases'),
]


@pytest.mark.parametrize('text, message', BAD)
def test_malformed_network(models, text, message):
    registry = models({'bad/network.yaml': text, 'good/network.yaml': OWN})
    assert registry.get('good').name == 'good'
    assert len(registry.problems) == 1
    with pytest.raises(RegistryError, match=message) as caught:
        registry.get('bad')
    assert str(caught.value) == registry.problems[0]
    assert 'bad/network.yaml' in str(caught.value)
    assert '\n' not in str(caught.value)
    with pytest.raises(RegistryError, match='unknown network.*not usable: .*bad/network.yaml'):
        registry.get('some-other')


def test_broken_own_network_does_not_fall_back_to_a_namesake(models):
    registry = models({'fcn-resnet18-street/network.yaml': OWN.replace('320', 'wide')})
    with pytest.raises(RegistryError, match="'width' must be"):
        registry.get('fcn-resnet18-street')


def test_name_given_twice(models):
    registry = models({'a/network.yaml': OWN + 'name: park', 'b/network.yaml': OWN + 'name: park'})
    assert registry.get('park').folder.name == 'a'
    assert len(registry.problems) == 1
    assert "b/network.yaml: the name 'park' is taken by" in registry.problems[0]


def test_hidden_folders_are_left_alone(models):
    registry = models({'.fetch/network.yaml': OWN, '.park/network.yaml': 'x'})
    assert not registry.problems
    assert len(registry.networks) == len(PUBLISHED) + 1


def test_missing_models_dir_is_no_problem(tmp_path):
    assert Registry.load(tmp_path / 'none').get('fcn-resnet18-voc')


def test_default_models_dir_is_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert Registry.load().models_dir == tmp_path / 'fcn_seg_ros'


VOC = 'fcn-resnet18-voc-320x320'


@pytest.mark.parametrize('place', [
    f'{VOC}/fcn_resnet18.onnx',
    f'{VOC}/FCN-ResNet18-Pascal-VOC-320x320/fcn_resnet18.onnx',
    'FCN-ResNet18-Pascal-VOC-320x320/fcn_resnet18.onnx',  # as jetson-inference keeps it
    'fcn-resnet18-voc/mine.pth',
])
def test_weights_put_there_by_hand_are_found(models, tmp_path, place):
    registry = models({place: 'x'})
    assert registry.find_weights(registry.get(VOC)) == tmp_path / place
    assert registry.find_weights(registry.get('fcn-resnet18-sun')) is None


def test_preferred_weights(models, tmp_path):
    folder = f'{VOC}/'
    files = ['a.pth', 'b.onnx', 'fcn_resnet18.onnx', 'model.safetensors']
    for wanted in ('a.pth', None, 'fcn_resnet18.onnx', 'model.safetensors'):
        registry = models({folder + files.pop(0): 'x'})
        if wanted:
            assert registry.find_weights(registry.get(VOC)).name == wanted


def test_several_weights_are_not_guessed_between(models):
    registry = models({f'{VOC}/a.onnx': 'x', f'{VOC}/b.onnx': 'x'})
    with pytest.raises(RegistryError, match='several .onnx files.*model.onnx'):
        registry.find_weights(registry.get(VOC))


def test_own_weights_lie_in_the_networks_folder(models, tmp_path):
    registry = models({'x/network.yaml': OWN + 'name: park', 'x/model.safetensors': '',
                       'park/other.onnx': ''})
    assert registry.find_weights(registry.get('park')) == tmp_path / 'x' / 'model.safetensors'
