//! Makes a stand-in for libvosk.so, so that the recogniser program links on a machine without the real one.
//!
//! The stand-in has the names that libvosk 0.3.45 exports (`nm -D --defined-only libvosk.so`) and nothing behind them:
//! each returns NULL, which the program takes for a model that cannot be loaded. The real library is found at run time
//! by its soname, in the folder that the service names in `LD_LIBRARY_PATH`.

use std::fmt::Write as _;
use std::path::Path;

/// Everything that libvosk 0.3.45 exports.
const NAMES: [&str; 36] = [
    "vosk_batch_model_free",
    "vosk_batch_model_new",
    "vosk_batch_model_wait",
    "vosk_batch_recognizer_accept_waveform",
    "vosk_batch_recognizer_finish_stream",
    "vosk_batch_recognizer_free",
    "vosk_batch_recognizer_front_result",
    "vosk_batch_recognizer_get_pending_chunks",
    "vosk_batch_recognizer_new",
    "vosk_batch_recognizer_pop",
    "vosk_batch_recognizer_set_nlsml",
    "vosk_gpu_init",
    "vosk_gpu_thread_init",
    "vosk_model_find_word",
    "vosk_model_free",
    "vosk_model_new",
    "vosk_recognizer_accept_waveform",
    "vosk_recognizer_accept_waveform_f",
    "vosk_recognizer_accept_waveform_s",
    "vosk_recognizer_final_result",
    "vosk_recognizer_free",
    "vosk_recognizer_new",
    "vosk_recognizer_new_grm",
    "vosk_recognizer_new_spk",
    "vosk_recognizer_partial_result",
    "vosk_recognizer_reset",
    "vosk_recognizer_result",
    "vosk_recognizer_set_grm",
    "vosk_recognizer_set_max_alternatives",
    "vosk_recognizer_set_nlsml",
    "vosk_recognizer_set_partial_words",
    "vosk_recognizer_set_spk_model",
    "vosk_recognizer_set_words",
    "vosk_set_log_level",
    "vosk_spk_model_free",
    "vosk_spk_model_new",
];

fn main() {
    println!("cargo:rerun-if-changed=src/build.rs");
    let out = std::env::var("OUT_DIR").expect("cargo names a folder for what is built");
    let out = Path::new(&out);
    let source = out.join("libvosk.c");
    let mut text = String::new();
    for name in NAMES {
        writeln!(text, "void *{name}(void) {{ return 0; }}").expect("a string takes everything");
    }
    std::fs::write(&source, text).expect("the folder can be written");
    let done = cc::Build::new()
        .get_compiler()
        .to_command()
        .args(["-shared", "-fPIC", "-Wl,-soname,libvosk.so", "-o"])
        .arg(out.join("libvosk.so"))
        .arg(&source)
        .status()
        .expect("a C compiler is installed");
    assert!(done.success(), "the C compiler could not make a stand-in for libvosk.so");
    println!("cargo:rustc-link-search=native={}", out.display());
}
