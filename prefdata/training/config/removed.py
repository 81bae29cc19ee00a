"""What recipes may no longer say, and the new way: options, losses, and names that moved."""

from __future__ import annotations

RENAMED_OPTIONS = {
    "output_dir": "output",
    "learning_rate": "learning_rate",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "max_steps": "max_steps",
    "max_length": "max_length",
    "seed": "seed",
    "trust_remote_code": "trust_remote_code",
    "precompute_ref_log_probs": "reference_cache",
    "chat_template_path": "chat_template",
}
"""TRL's options that a recipe holds under a key of its own: TRL's name, then the recipe's key."""

REMOVED_OPTIONS = {
    "rpo_alpha": "Use loss_type: [sigmoid, sft] with loss_weights: [1.0, rpo_alpha].",
    "reference_free": "Use method orpo, cpo or simpo; DPO always has a reference.",
    "model_adapter_name": "Set lora in the recipe; the trainer names the adapter itself.",
    "ref_adapter_name": "Set lora in the recipe; the reference is the model with the adapter off.",
    "ref_model_init_kwargs": "Use model_init_kwargs: the reference is loaded as the model is.",
    "max_prompt_length": "Use max_length: it bounds prompt and completion together.",
    "max_completion_length": "Use max_length: it bounds prompt and completion together.",
    "max_target_length": "Use max_length: it bounds prompt and completion together.",
    "generate_during_eval": "Generate after training, with the saved model.",
    "label_pad_token_id": "Leave it out: completions are masked, not padded with a label.",
    "padding_value": "Set the tokenizer's pad token.",
    "pad_token": "Set the tokenizer's pad token.",
    "is_encoder_decoder": "Leave it out: only decoder models are trained.",
    "use_liger_loss": "Leave it out: the trainer's own head no longer builds the full logits.",
    "use_liger_kernel": "Use model_init_kwargs: {use_kernels: true}.",
    "tokenizer": "Leave it out: the tokenizer comes with the model.",
    "dataset_test_split": "Split with pref convert: the test split comes with the data set.",
    "test_split_size": "Split with pref convert: the test split comes with the data set.",
    "warmup_ratio": "Use warmup_steps: below 1 it is a share of all steps, such as 0.1.",
    "logging_dir": "Set the environment variable TENSORBOARD_LOGGING_DIR.",
    "overwrite_output_dir": "Use pref train --force.",
    "resume_from_checkpoint": "Use pref train --resume.",
    "evaluation_strategy": "Use eval_strategy.",
    "save_safetensors": "Leave it out: models are always saved as safetensors.",
    "group_by_length": "Use train_sampling_strategy: group_by_length.",
    "no_cuda": "Use use_cpu.",
    "per_gpu_train_batch_size": "Use batch_size.",
    "auto_find_batch_size": "Use smaller_on_oom: true, which keeps the effective batch size.",
}
"""Options of older recipes that TRL or transformers no longer take, and the new way."""

DEPRECATED_OPTIONS = {
    "auto_find_batch_size",
    "generate_during_eval",
    "is_encoder_decoder",
    "max_completion_length",
    "pad_token",
    "padding_value",
    "resume_from_checkpoint",
    "use_liger_kernel",
}
"""Removed options that some config of TRL still declares: deprecated, without effect on a decoder
model, or done better here."""

REMOVED_LOSSES = {
    "kto_pair": "Use method: kto, which also takes pairs.",
    "aot_pair": "Use loss_type: aot.",
    "bco": "Use loss_type: bco_pair.",
    "simpo": "Use method: simpo.",
    "orpo": "Use method: orpo.",
    "cpo": "Use method: cpo.",
    "rpo": "Use loss_type: [sigmoid, sft].",
}
"""Losses of older recipes, and the new way."""
