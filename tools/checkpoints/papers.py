"""The papers behind the checkpoints, by arXiv identifier: first author, title, year of the first version."""

from __future__ import annotations

PAPERS = {
    "1409.1556": ("Simonyan, Karen", "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014),
    "1512.00567": ("Szegedy, Christian", "Rethinking the Inception Architecture for Computer Vision", 2015),
    "1608.06993": ("Huang, Gao", "Densely Connected Convolutional Networks", 2016),
    "1710.10467": ("Wan, Li", "Generalized End-to-End Loss for Speaker Verification", 2017),
    "1801.04381": ("Sandler, Mark", "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018),
    "1810.04805": (
        "Devlin, Jacob",
        "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
        2018,
    ),
    "1905.02244": ("Howard, Andrew", "Searching for MobileNetV3", 2019),
    "1905.11946": (
        "Tan, Mingxing",
        "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        2019,
    ),
    "1907.11692": ("Liu, Yinhan", "RoBERTa: A Robustly Optimized BERT Pretraining Approach", 2019),
    "1909.11942": (
        "Lan, Zhenzhong",
        "ALBERT: A Lite BERT for Self-supervised Learning of Language Representations",
        2019,
    ),
    "1910.01108": (
        "Sanh, Victor",
        "DistilBERT, a distilled version of BERT: smaller, faster, cheaper and lighter",
        2019,
    ),
    "1911.02116": ("Conneau, Alexis", "Unsupervised Cross-lingual Representation Learning at Scale", 2019),
    "2002.10957": (
        "Wang, Wenhui",
        "MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained Transformers",
        2020,
    ),
    "2003.10555": (
        "Clark, Kevin",
        "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators",
        2020,
    ),
    "2003.13678": ("Radosavovic, Ilija", "Designing Network Design Spaces", 2020),
    "2004.09297": (
        "Song, Kaitao",
        "MPNet: Masked and Permuted Pre-training for Language Understanding",
        2020,
    ),
    "2004.09813": (
        "Reimers, Nils",
        "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation",
        2020,
    ),
    "2006.11477": (
        "Baevski, Alexei",
        "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations",
        2020,
    ),
    "2009.05387": (
        "Wilie, Bryan",
        "IndoNLU: Benchmark and Resources for Evaluating Indonesian Natural Language Understanding",
        2020,
    ),
    "2011.00677": (
        "Koto, Fajri",
        "IndoLEM and IndoBERT: A Benchmark Dataset and Pre-trained Language Model for Indonesian NLP",
        2020,
    ),
    "2012.12877": (
        "Touvron, Hugo",
        "Training data-efficient image transformers & distillation through attention",
        2020,
    ),
    "2103.14030": (
        "Liu, Ze",
        "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
        2021,
    ),
    "2104.00298": ("Tan, Mingxing", "EfficientNetV2: Smaller Models and Faster Training", 2021),
    "2106.07447": (
        "Hsu, Wei-Ning",
        "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units",
        2021,
    ),
    "2106.10270": (
        "Steiner, Andreas",
        "How to train your ViT? Data, Augmentation, and Regularization in Vision Transformers",
        2021,
    ),
    "2110.00476": ("Wightman, Ross", "ResNet strikes back: An improved training procedure in timm", 2021),
    "2110.13900": (
        "Chen, Sanyuan",
        "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing",
        2021,
    ),
    "2111.09296": (
        "Babu, Arun",
        "XLS-R: Self-supervised Cross-lingual Speech Representation Learning at Scale",
        2021,
    ),
    "2111.09543": (
        "He, Pengcheng",
        "DeBERTaV3: Improving DeBERTa using ELECTRA-Style Pre-Training with Gradient-Disentangled Embedding Sharing",
        2021,
    ),
    "2201.03545": ("Liu, Zhuang", "A ConvNet for the 2020s", 2022),
    "2212.04356": ("Radford, Alec", "Robust Speech Recognition via Large-Scale Weak Supervision", 2022),
    "2301.00808": (
        "Woo, Sanghyun",
        "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders",
        2023,
    ),
    "2304.07193": ("Oquab, Maxime", "DINOv2: Learning Robust Visual Features without Supervision", 2023),
    "2309.07597": ("Xiao, Shitao", "C-Pack: Packed Resources For General Chinese Embeddings", 2023),
    "2402.05672": ("Wang, Liang", "Multilingual E5 Text Embeddings: A Technical Report", 2024),
}


def citation(address: str | None) -> str | None:
    """BibTeX for the paper at this address; `None` where there is none."""
    if address is None:
        return None
    arxiv = address.rpartition("/")[2]
    author, title, year = PAPERS[arxiv]
    fields = {
        "author": f"{author} and others",
        "title": "{" + title.replace("&", r"\&") + "}",
        "year": year,
        "eprint": arxiv,
        "archiveprefix": "arXiv",
        "url": address,
    }
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{{author.partition(',')[0].lower()}{year},\n{lines}}}"
