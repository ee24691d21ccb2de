"""A synthetic shop with known truth: for demos, tests and benchmarks. Imports nothing of the rest of the project.

    from cxa_pipeline.synthetic import ShopConfig, generate
    truth = generate(ShopConfig.preset("demo"), Path("landing/native"))
    truth.write(Path("truth.json"))

The order of making: `catalog`, `people` (the buying process), `orders`, `offers`, `baskets`, `sales`, `visits`,
`events`; then `tables` and `members` give them their columns, `dirt` and `files` write them, `truth` says what is so.
"""

from cxa_pipeline.synthetic.config import PRESETS, ShopConfig
from cxa_pipeline.synthetic.files import FileTruth
from cxa_pipeline.synthetic.shop import Shop, build_shop, generate
from cxa_pipeline.synthetic.truth import ShopTruth

__all__ = ["PRESETS", "FileTruth", "Shop", "ShopConfig", "ShopTruth", "build_shop", "generate"]
