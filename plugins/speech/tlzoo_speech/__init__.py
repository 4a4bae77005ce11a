"""Speech backbones for tlzoo. The hooks are in `tlzoo_speech.plugin`; torch is imported when one is called."""
