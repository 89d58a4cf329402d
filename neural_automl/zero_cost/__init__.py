"""Scores of networks that nobody has trained: zero-cost proxies."""

from neural_automl.zero_cost._pool import ScoredPool as ScoredPool
from neural_automl.zero_cost._pool import draw_distinct as draw_distinct
from neural_automl.zero_cost._pool import score_space as score_space
from neural_automl.zero_cost._ranks import log_ranks as log_ranks
from neural_automl.zero_cost._ranks import rank_gauss as rank_gauss
from neural_automl.zero_cost._scoring import random_batch as random_batch
from neural_automl.zero_cost._table import AZ_NAS as AZ_NAS
from neural_automl.zero_cost._table import DEFAULT_PROXIES as DEFAULT_PROXIES
from neural_automl.zero_cost._table import Proxy as Proxy
from neural_automl.zero_cost._table import check_proxies as check_proxies
from neural_automl.zero_cost._table import compute as compute
from neural_automl.zero_cost._table import proxy_names as proxy_names
from neural_automl.zero_cost._table import register_proxy as register_proxy
from neural_automl.zero_cost._table import score as score
