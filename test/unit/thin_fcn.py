"""A stand-in for FCNResNet18 with its interface, dropout and batch norm, but few weights."""

from fcn_seg_ros.training import initial
from torch import nn
import torch.nn.functional as F


class ThinFCN(nn.Module):
    """Two heads on three convolutions."""

    def __init__(self, num_classes, decoder='fcn32s', *, backbone_weights=None):
        super().__init__()
        self.num_classes, self.decoder = num_classes, decoder
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.1))
        self.skip8 = nn.Conv2d(16, num_classes, 1)
        self.classifier = nn.Conv2d(16, num_classes, 3, 4, 1)

    def features(self, batch):
        stride4 = self.backbone[:3](batch)
        stride8 = self.backbone[3:](stride4)
        stride16 = F.avg_pool2d(stride8, 2)
        return batch, stride4, stride8, stride16, F.avg_pool2d(stride16, 2)

    def score_all(self, features):
        return self.skip8(features[2]), self.classifier(features[2])

    def forward_all(self, batch):
        return self.score_all(self.features(batch))


def use(monkeypatch=None):
    """Make training start from it: for a test, or for good in a process of its own."""
    if monkeypatch:
        monkeypatch.setattr(initial, 'FCNResNet18', ThinFCN)
    else:
        initial.FCNResNet18 = ThinFCN
