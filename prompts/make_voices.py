#!/usr/bin/env python3
"""Makes prompts/LANGUAGE/NAME.wav from prompts/LANGUAGE/texts.toml: 8 kHz, 16 bit, mono, levelled and trimmed.

    make_voices.py --model kokoro-int8.onnx --voices DIR [--force] [--callers] [LANGUAGE ...]

Needs Python 3.11 with kokoro-onnx, scipy and py-nanotts. README.md beside this file says where model and voice
vectors come from and which recordings are placeholders. Only what is missing is made, unless --force."""
import argparse
import functools
import pathlib
import tomllib
import wave

import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt

HERE = pathlib.Path(__file__).parent
RATE = 8000
ACTIVE_DBFS = -20.0  # Level of the speech itself, pauses left out.
PEAK = 10 ** (-1.5 / 20)

# Language: (phonemes by espeak, weighted Kokoro voices, speed). German speaks through SVOX Pico instead.
KOKORO = {
    "en": ("en-us", {"af_heart": 1.0}, 1.0),
    "nl": ("nl", {"bf_emma": 0.6, "ff_siwis": 0.25, "ef_dora": 0.15}, 0.95),
    "fr": ("fr-fr", {"ff_siwis": 1.0}, 1.0),
    "es": ("es", {"ef_dora": 1.0}, 1.0),
    "pt": ("pt-br", {"pf_dora": 1.0}, 1.0),
}
# Who speaks in tests/voices, with --callers: voices that the speech model never heard in training.
CALLERS = {"en": ("af_heart", "bm_george")}
# The bench keys at fixed times, so its questions take about three seconds, like those of the peers.
SECONDS = {"bench_1": 3.0, "bench_2": 3.0, "bench_3": 3.0}


def level(x, rate):
    """Trims, brings active speech to ACTIVE_DBFS, keeps the peak below PEAK; returns 16-bit samples at 8 kHz."""
    x = resample_poly(x, 1, rate // RATE).astype(np.float64)
    x = sosfiltfilt(butter(2, 120, "highpass", fs=RATE, output="sos"), x)
    frames = x[: len(x) // 160 * 160].reshape(-1, 160)
    rms = np.sqrt((frames**2).mean(axis=1))
    active = rms > rms.max() * 10 ** (-30 / 20)
    first, last = np.flatnonzero(active)[[0, -1]]
    x = x[max(0, first * 160 - 320) : (last + 1) * 160 + 800]
    gain = 10 ** (ACTIVE_DBFS / 20) / np.sqrt((rms[active] ** 2).mean())
    x = x * min(gain, PEAK / np.abs(x).max())
    ramp = np.linspace(0, 1, 80)
    x[:80] *= ramp
    x[-80:] *= ramp[::-1]
    return np.round(x * 32767).astype("<i2")


def load_kokoro(model, voices):
    import onnxruntime as ort
    from kokoro_onnx import Kokoro
    vectors = {v.stem: np.fromfile(v, "<f4").reshape(-1, 1, 256) for v in voices.glob("*.bin")}
    np.savez(voices / "voices.npz", **vectors)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return Kokoro.from_session(session, str(voices / "voices.npz"))


def say(kokoro, language, mix, speed, text):
    style = sum(weight * kokoro.voices[voice] for voice, weight in mix.items()).astype(np.float32)
    return kokoro.create(text, voice=style, speed=float(np.clip(speed, 0.6, 1.6)), lang=language)


def prompt(kokoro, language, name, text):
    """One prompt: samples and their rate."""
    if language == "de":
        import py_nanotts
        pcm = py_nanotts.NanoTTS().speak(text, voice="de-DE", speed=1.12)
        return np.frombuffer(pcm, "<i2") / 32768, 16000
    lang, mix, speed = KOKORO[language]
    x, rate = say(kokoro(), lang, mix, speed, text)
    if name in SECONDS:
        speed *= len(level(x, rate)) / RATE / SECONDS[name]
        x, rate = say(kokoro(), lang, mix, speed, text)
    return x, rate


def save(path, x, rate):
    samples = level(x, rate)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    print(f"{path.parent.name}/{path.stem} {len(samples) / RATE:.2f} s", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model")
    p.add_argument("--voices", type=pathlib.Path)
    p.add_argument("--force", action="store_true")
    p.add_argument("--callers", action="store_true")
    p.add_argument("languages", nargs="*")
    a = p.parse_args()
    kokoro = functools.cache(lambda: load_kokoro(a.model, a.voices))
    folder = HERE.parent / "tests" / "voices" if a.callers else HERE
    for language in a.languages or (CALLERS if a.callers else [*KOKORO, "de"]):
        for name, text in tomllib.loads((folder / language / "texts.toml").read_text()).items():
            for voice in CALLERS[language] if a.callers else [None]:
                path = folder / language / (f"{name}.{voice}.wav" if voice else f"{name}.wav")
                if path.exists() and not a.force:
                    continue
                made = say(kokoro(), KOKORO[language][0], {voice: 1.0}, 1.0, text) if voice else prompt(kokoro, language, name, text)
                save(path, *made)


if __name__ == "__main__":
    main()
