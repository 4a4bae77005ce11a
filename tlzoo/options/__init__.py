"""How to train: a dataclass for each strategy; its fields are the keywords, the flags and what `run.json` holds."""

from tlzoo.options.checked import Option as Option
from tlzoo.options.checked import Range as Range
from tlzoo.options.checked import flat as flat
from tlzoo.options.checked import given_options as given_options
from tlzoo.options.checked import options_of as options_of
from tlzoo.options.naming import MAY_DIFFER_ON_RESUME as MAY_DIFFER_ON_RESUME
from tlzoo.options.naming import changed_options as changed_options
from tlzoo.options.naming import combine as combine
from tlzoo.options.naming import run_options as run_options
from tlzoo.options.strategies import CORE_STRATEGIES as CORE_STRATEGIES
from tlzoo.options.strategies import LPFT as LPFT
from tlzoo.options.strategies import MAX_RANK as MAX_RANK
from tlzoo.options.strategies import POLICIES as POLICIES
from tlzoo.options.strategies import Augment as Augment
from tlzoo.options.strategies import Auto as Auto
from tlzoo.options.strategies import Cache as Cache
from tlzoo.options.strategies import Finetune as Finetune
from tlzoo.options.strategies import GradientDescent as GradientDescent
from tlzoo.options.strategies import LoRA as LoRA
from tlzoo.options.strategies import Probe as Probe
from tlzoo.options.strategies import StartsWithProbe as StartsWithProbe
from tlzoo.options.strategies import StrategyName as StrategyName
from tlzoo.options.strategies import StrategyOptions as StrategyOptions
from tlzoo.options.strategies import core_options as core_options
from tlzoo.options.strategies import strategies_taking as strategies_taking
from tlzoo.options.thresholds import Thresholds as Thresholds
