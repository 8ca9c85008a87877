"""The Python module, compared with the binary. Environment: PYTHONPATH, PARETOFORMER_BINARY."""

import ast
import json
import os
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import numpy as np
import paretoformer
from paretoformer import Architecture, LatencyPredictor

SPACE = {
    "name": "tiny",
    "head_width": 16,
    "vocabulary": 50,
    "depth": [1, 2],
    "model_width": [32, 48],
    "heads": [1, 2],
    "ffn_width": [64, 96],
}


def network():
    return Architecture(96, [4, 2], [384, 256], head_width=16, vocabulary=50)


class PythonTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def expect_error(self, kind, part, function, *arguments, **keywords):
        with self.assertRaises(kind) as caught:
            function(*arguments, **keywords)
        self.assertIn(part, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))

    def ask_binary(self, architecture, *options):
        file = self.folder / "network.json"
        file.write_text(json.dumps(architecture.to_dict()))
        command = [os.environ["PARETOFORMER_BINARY"], "predict", str(file), "--json", *options]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    def test_agrees_with_the_binary(self):
        file = self.folder / "my.predictor"
        space = self.folder / "space.json"
        space.write_text(json.dumps(SPACE))
        known = Architecture(48, [2, 1], [64, 96], 16, 50)
        for hardware in ("gemmini_transformer", "gemmini_cnn"):
            for mode in ("prefill", "decode"):
                predictor = LatencyPredictor(hardware, sequence_length=48, mode=mode)
                self.assertEqual((predictor.sequence_length, predictor.mode), (48, mode))
                # By itself the binary simulates the whole network; this is of its operators' sum.
                predictor.fill(space)
                predictor.save(file)
                cost = predictor.predict(known)
                expected = self.ask_binary(known, "--predictor", str(file))
                self.assertEqual((expected["sequence_length"], expected["mode"]), (48, mode))
                self.assertEqual(cost.cycles, expected["cycles"])
                self.assertEqual(cost.energy_pj, expected["energy_pj"])
                self.assertEqual(cost.edp, cost.cycles * cost.energy_pj)

    def test_every_way_to_name_a_network(self):
        predictor = LatencyPredictor(sequence_length=32)
        expected = predictor.predict(network())
        self.assertEqual(predictor.predict(network().to_dict()), expected)
        self.assertEqual(Architecture.from_dict(network().to_dict()), network())
        keywords = {
            "model_width": np.int32(96),
            "heads": np.array([4, 2]),
            "ffn_width": (384, 256),
            "head_width": 16,
            "vocabulary": 50,
        }
        self.assertEqual(predictor.predict(**keywords), expected)
        self.assertEqual(Architecture(**keywords), network())
        self.assertEqual(len({network(), Architecture(**keywords)}), 1)
        self.assertNotEqual(network(), Architecture(96, [4], [384]))
        self.assertEqual(predictor.breakdown(**keywords), predictor.breakdown(network()))
        self.assertEqual(eval(repr(network())), network())
        self.assertEqual(network().depth, 2)
        self.assertEqual((network().heads, network().ffn_width), ([4, 2], [384, 256]))

    def test_weights_of_four_bits(self):
        four = Architecture(96, [4, 2], [384, 256], 16, 50, weight_bits=np.array([4, 8]))
        self.assertEqual((four.weight_bits, network().weight_bits), ([4, 8], [8, 8]))
        self.assertNotEqual(four, network())
        self.assertEqual(eval(repr(four)), four)
        self.assertEqual(Architecture.from_dict(four.to_dict()), four)
        hardware = self.folder / "int4.json"
        hardware.write_text(json.dumps({"preset": "gemmini_transformer", "int4_weights": True}))
        predictor = LatencyPredictor(hardware, sequence_length=32)
        expected = [predictor.predict(each).energy_pj for each in (four, network())]
        self.assertLess(*expected)
        _, energies = predictor.predict_batch(
            [96, 96], [[4, 2]] * 2, [[384, 256]] * 2, 16, 50, weight_bits=[[4, 8], [8, 8]]
        )
        self.assertEqual(energies.tolist(), expected)
        keywords = {"model_width": 96, "heads": [4, 2], "ffn_width": [384, 256], "head_width": 16}
        self.assertEqual(
            predictor.predict(**keywords, vocabulary=50, weight_bits=[4, 8]).energy_pj, expected[0]
        )
        one = (96, [4, 2], [384, 256])
        for wrong, part in (([5, 8], "weight_bits"), ([8], "do not fit weight bits of 1")):
            self.expect_error(ValueError, part, Architecture, *one, weight_bits=wrong)
        many = ([96], [[4, 2]], [[384, 256]])
        self.expect_error(
            ValueError, "do not fit heads", predictor.predict_batch, *many, weight_bits=[[8]]
        )

    def test_breakdown_adds_up(self):
        predictor = LatencyPredictor(sequence_length=32)
        records = predictor.breakdown(network())
        self.assertEqual(len(records), 2 * 12 + 3)
        self.assertEqual(sum(each.cycles for each in records), predictor.predict(network()).cycles)
        self.assertAlmostEqual(
            sum(each.energy_pj for each in records), predictor.predict(network()).energy_pj, 3
        )
        self.assertEqual(records[3].role, "attention.scores")
        self.assertEqual((records[3].layer, records[3].repeat), (0, 4))
        self.assertEqual(
            records[3].operation, "matmul transposed_activations softmax 32 16 32"
        )
        self.assertEqual(records[0].layer, -1)

    def test_a_batch_is_its_networks(self):
        predictor = LatencyPredictor(sequence_length=32)
        random = np.random.default_rng(1)
        depths = random.integers(1, 5, 30)
        widths = 32 * random.integers(1, 4, 30)
        heads = random.integers(1, 4, (30, 4))
        ffn_widths = 64 * random.integers(1, 4, (30, 4))
        absent = np.arange(4) >= depths[:, None]
        heads[absent] = ffn_widths[absent] = 0
        cycles, energies = predictor.predict_batch(
            widths, heads, ffn_widths, head_width=16, vocabulary=50
        )
        self.assertEqual((cycles.dtype, energies.dtype), (np.int64, np.float64))
        for i, depth in enumerate(depths):
            one = predictor.predict(
                Architecture(widths[i], heads[i, :depth], ffn_widths[i, :depth], 16, 50)
            )
            self.assertEqual((cycles[i], energies[i]), (one.cycles, one.energy_pj))
        # Other layouts and types of the same numbers.
        again, _ = predictor.predict_batch(
            widths.astype(np.uint16), heads.T.copy().T, ffn_widths.tolist(), 16, 50
        )
        np.testing.assert_array_equal(again, cycles)
        none, _ = predictor.predict_batch([], np.zeros((0, 4)), np.zeros((0, 4)))
        self.assertEqual(none.shape, (0,))

    def test_files(self):
        file = self.folder / "my.predictor"
        predictor = LatencyPredictor(sequence_length=24, mode="decode")
        space = self.folder / "space.json"
        space.write_text(json.dumps(SPACE))
        predictor.fill(space)
        predictor.save(file)
        loaded = LatencyPredictor.load(file)
        self.assertEqual((loaded.sequence_length, loaded.mode), (24, "decode"))
        known = Architecture(48, [2, 1], [64, 96], 16, 50)
        self.assertEqual(loaded.predict(known), predictor.predict(known))
        self.expect_error(RuntimeError, "has no entry for", loaded.predict, network())
        file.write_text(file.read_text()[:-100])
        self.expect_error(ValueError, "checksum", LatencyPredictor.load, str(file))
        missing = self.folder / "nowhere" / "file"
        self.expect_error(RuntimeError, str(missing), predictor.save, missing)

    def test_errors(self):
        predictor = LatencyPredictor(sequence_length=32)
        value, predict = ValueError, predictor.predict
        self.expect_error(value, "did you mean", LatencyPredictor, "gemini_cnn")
        self.expect_error(value, "expected one of prefill, decode", LatencyPredictor, mode="decod")
        for length in (0, -1, 2**32 + 32, 10**30):
            self.expect_error(value, "sequence_length", LatencyPredictor, sequence_length=length)
        self.expect_error(value, "surwey", predictor.fill, "surwey")
        self.expect_error(value, "zero byte", LatencyPredictor.load, "a\0b")
        self.expect_error(value, "/layers/1/heads: 0 is", Architecture, 96, [4, 0], [384, 256])
        self.expect_error(value, "/layers/0/heads", Architecture, 96, [4.5], [384])
        self.expect_error(value, "/model_width", Architecture, 10**30, [4], [384])
        self.expect_error(value, "do not fit", Architecture, 96, [4, 4], [384])
        self.expect_error(value, "layers", Architecture, 96, [], [])
        # Heads of 64 are together at most 2^20 wide.
        self.expect_error(value, "from 1 to 16384", Architecture, 96, [1 << 20], [384])
        wrong = network().to_dict() | {"model_widht": 96}
        self.expect_error(value, 'did you mean "model_width"?', predict, wrong)
        self.expect_error(TypeError, "expected an Architecture or a dict", predict, 96)
        with self.assertRaises(TypeError):
            predict()

    def test_errors_of_a_batch(self):
        batch = LatencyPredictor(sequence_length=32).predict_batch
        good = ([96, 96], [[4, 0], [2, 1]], [[384, 0], [64, 64]])
        batch(*good)
        for part, *arguments in (
            ("network 1: heads[0] 0 is out", [96, 96], [[4, 0], [0, 1]], good[2]),
            ("network 0: ffn_widths[0] -5 is", [96, 96], good[1], [[-5, 0], [64, 64]]),
            ("network 1: model_width", [96, 2**40], *good[1:]),
            ("do not fit together", [96], *good[1:]),
            ("do not fit together", good[0], good[1], [[384], [64]]),
            ("heads has 1 dimensions: expected 2", [96, 96], [4, 2], good[2]),
            ("array of float64: expected integers", [96.5, 96], *good[1:]),
        ):
            self.expect_error(ValueError, part, batch, *arguments)
        self.expect_error(ValueError, "head_width", batch, *good, head_width=0)
        self.expect_error(ValueError, "vocabulary", batch, *good, vocabulary=-1)

    def test_threads_share_a_predictor(self):
        arguments = (np.full(20, 64), np.full((20, 2), 2), 32 * np.arange(1, 41).reshape(20, 2))
        expected, _ = LatencyPredictor(sequence_length=32).predict_batch(*arguments)
        shared = LatencyPredictor(sequence_length=32)
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(shared.predict_batch(*arguments)[0]))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        shared.save(self.folder / "meanwhile.predictor")
        for thread in threads:
            thread.join()
        self.assertEqual(len(found), 4)
        for each in found:
            np.testing.assert_array_equal(each, expected)

    def test_stub_and_package(self):
        package = Path(paretoformer.__file__).parent
        self.assertTrue((package / "py.typed").exists())
        stub = ast.parse((package / "__init__.pyi").read_text())
        # What the stub promises is there, and nothing public is left out.
        for item in stub.body:
            if isinstance(item, ast.ClassDef):
                named = {
                    getattr(each, "name", None) or each.target.id
                    for each in item.body
                    if isinstance(each, (ast.FunctionDef, ast.AnnAssign))
                }
                real = getattr(paretoformer, item.name)
                self.assertTrue(named <= set(dir(real)), named - set(dir(real)))
                public = {name for name in vars(real) if not name.startswith("_")}
                self.assertTrue(public <= named, public - named)
        classes = {item.name for item in stub.body if isinstance(item, ast.ClassDef)}
        self.assertEqual(classes | {"__version__"}, set(paretoformer.__all__))


if __name__ == "__main__":
    unittest.main()
