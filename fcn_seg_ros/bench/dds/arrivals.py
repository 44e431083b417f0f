"""Which outputs of which frames have arrived, and when; no ROS."""


class Arrivals:
    """
    Put the outputs of several cameras together to frames, and frames to rounds.

    A frame is complete with its last output, a round when every camera has had one.

    :param cameras: their names.
    :param outputs: how many outputs a frame has.
    :param warm_up: rounds that do not count.

    :ivar rounds: [(seconds of the last arrival, seconds since the first frame's stamp)].
    :ivar latencies: {camera: [seconds from stamp to last output]}.
    """

    def __init__(self, cameras, outputs, warm_up):
        self.latencies = {camera: [] for camera in cameras}
        self.rounds = []
        self.began = None
        self.ended = None
        self._outputs = outputs
        self._warm_up = warm_up
        self._waiting = {camera: {} for camera in cameras}
        self._stamps = {}

    def add(self, camera, stamp, now):
        """
        Note the arrival of an output.

        :param stamp: of the frame, seconds.
        :param now: seconds, by the same clock.
        :returns: whether this completes a round.
        """
        waiting = self._waiting[camera]
        waiting[stamp] = waiting.get(stamp, 0) + 1
        if waiting[stamp] < self._outputs:
            return False
        for older in [other for other in waiting if other <= stamp]:
            del waiting[older]
        if self.began is not None:
            self.latencies[camera].append(now - stamp)
            self.ended = now
        self._stamps.setdefault(camera, stamp)
        if len(self._stamps) < len(self._waiting):
            return False
        first = min(self._stamps.values())
        self._stamps.clear()
        if self._warm_up:
            self._warm_up -= 1
            if not self._warm_up:
                self.began = self.ended = now
        else:
            self.rounds.append((now, now - first))
        return True

    def to_dict(self):
        """Return what was measured, in seconds; nothing, if the warm-up has not ended."""
        return {'seconds': self.ended - self.began if self.began is not None else 0.0,
                'latencies': self.latencies,
                'rounds': [duration for _, duration in self.rounds]}
