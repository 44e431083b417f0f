"""What tests from end to end share with those of the node: processes and a graph over DDS."""

from pathlib import Path
import sys

sys.path.append(str(Path(__file__).parents[1] / 'node'))
