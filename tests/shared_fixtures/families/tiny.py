"""Tiny configurations of transformers' model types, by the names that their attributes have in common."""

from __future__ import annotations

import json
from typing import Any

from transformers import CONFIG_MAPPING

_NAMES: dict[Any, str] = {
    32: "hidden_size d_model n_embd dim emb_dim word_embed_proj_dim lru_width mamba_d_ssm embedding_dim",
    2: (
        "num_hidden_layers num_layers n_layer n_layers encoder_layers num_encoder_layers num_blocks"
        " num_key_value_heads num_kv_heads num_experts_per_tok num_experts_per_token moe_topk moe_k"
        " n_group topk_group num_expert_group linear_num_key_heads linear_num_heads swa_num_key_value_heads"
    ),
    1: "decoder_layers num_decoder_layers n_groups mamba_n_groups",
    0: "first_k_dense_replace num_dense_layers",
    4: (
        "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads attention_heads"
        " num_encoder_attention_heads num_decoder_attention_heads num_experts n_routed_experts num_local_experts"
        " moe_num_experts linear_num_value_heads swa_num_attention_heads index_n_heads"
    ),
    8: (
        "head_dim qk_rope_head_dim qk_nope_head_dim v_head_dim d_kv d_head attention_head_size swa_head_dim dim_head"
        " linear_key_head_dim linear_value_head_dim linear_head_dim index_head_dim kv_channels rotary_dim"
        " sliding_window sliding_window_size mamba_d_state state_size ssm_state_size chunk_size mamba_chunk_size"
        " mamba_d_head mamba_head_dim mamba_headdim mamba_n_heads mamba_num_heads n_mamba_heads time_step_rank"
        " mamba_dt_rank local_attention window_size attention_window attention_window_size"
    ),
    16: (
        "q_lora_rank kv_lora_rank qk_head_dim embedding_size index_topk hidden_size_per_layer_input o_lora_rank"
        " pronunciation_embed_dim shape_embed_dim entity_emb_size"
    ),
    64: (
        "intermediate_size ffn_dim encoder_ffn_dim decoder_ffn_dim moe_intermediate_size d_ff dff d_inner hidden_dim"
        " dim_ff ffn_hidden_size expert_ffn_hidden_size shared_expert_intermediate_size shared_intermediate_size"
        " moe_shared_expert_intermediate_size dense_intermediate_size intermediate_size_mlp n_inner feed_forward_size"
        " max_position_embeddings n_positions n_ctx max_seq_len context_length"
    ),
    128: "vocab_size vocab_size_per_layer_input pronunciation_vocab_size shape_vocab_size entity_vocab_size",
}
SIZES = {name: size for size, names in _NAMES.items() for name in names.split()}
"""What an attribute of this name is set to, where a configuration has it."""
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
VOCABULARY = SIZES["vocab_size"]


_STEPS = {"time_step_limit": [0.0, 100.0]}
_FULL = {"rope_type": "default", "rope_theta": 10000.0}
CHANGES: dict[str, dict[str, Any]] = {
    "bamba": _STEPS,
    "cohere_compass_text": {"rope_parameters": {"full_attention": _FULL, "sliding_attention": _FULL}},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8},
        "ffn_config": {"ffn_hidden_size": 64},
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "dots3_note_text": {"per_layer_config": {}},
    "ernie4_5_moe": {"moe_layer_start_index": 0, "moe_layer_end_index": 1},
    "esm": {"mask_token_id": 3, "pad_token_id": 0},
    "esmc": {"num_key_value_heads": 4},
    "falcon_h1": {**_STEPS, "mamba_n_heads": 4},
    "gemma3n_text": {"num_kv_shared_layers": 0, "intermediate_size": 64, "activation_sparsity_pattern": [0.0, 0.0]},
    "gemma4_text": {"per_layer_config": {"01": {"head_dim": 16}}},
    "gemma4_unified_text": {"per_layer_config": {"01": {"head_dim": 16}}},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": _STEPS,
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "layoutlmv3": {"coordinate_size": 6, "shape_size": 4},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "lilt": {"hidden_size": 48},
    "mamba2": {**_STEPS, "num_heads": 8},
    "markuplm": {"max_depth": 4, "xpath_unit_hidden_size": 8},
    "ministral": {"head_dim": 8},
    "mistral4": {"rope_parameters": {**_FULL, "original_max_position_embeddings": 64, "llama_4_scaling_beta": 0.1}},
    "nemotron": {"num_key_value_heads": 2},
    "nemotron_h": _STEPS,
    "neomme": {"head_dim": 16, "per_layer_config": {}},
    "squeezebert": {"embedding_size": 32},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"layers_block_type": ["linear_attention", "hybrid"]},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"], "hybrid_layer_ids": [1]},
    "zaya": {"num_experts_per_tok": 1},
}
"""What a kind needs otherwise, for its configuration contradicts itself at those sizes or lacks something."""


def tiny_document(kind: str) -> dict[str, Any]:
    """The `config.json` of a tiny network of this model type."""
    known = CONFIG_MAPPING[kind]().to_dict()
    sizes: dict[str, Any] = {name: size for name, size in SIZES.items() if _is_size(known.get(name))}
    if "vocab_size" in known:
        sizes["vocab_size"] = VOCABULARY
    if "sparse" in (known.get("mlp_layer_types") or ()):  # else the last layer does nearly all of the work
        sizes["mlp_layer_types"] = ["sparse"] * SIZES["num_hidden_layers"]
    if "kv_lora_rank" in known:  # each head has its own keys, made from the same few numbers
        sizes["num_key_value_heads"] = SIZES["num_attention_heads"]
    tokens = {name: token for name, token in TOKENS.items() if _is_beyond(known.get(name))}
    config = CONFIG_MAPPING[kind](**{**sizes, **tokens, **CHANGES.get(kind, {})})
    return {**json.loads(config.to_json_string()), "model_type": kind}


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_beyond(token: Any) -> bool:
    """Whether a token, or the list of them, is none of the tiny vocabulary's."""
    return isinstance(token, list) or (isinstance(token, int) and token >= VOCABULARY)
