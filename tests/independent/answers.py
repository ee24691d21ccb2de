"""The answers of business questions, computed anew in plain Python from sales lines and from the tables of the project.

Here: the functions by the names of their questions; each gives the rows of its view, in order, written from its comment
and not from its SQL. Not here: the functions (`answers_sales` and its neighbours), the eleven questions that are answered
from lines alone (`tests/integration/test_models_questions.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.independent.answers_cohorts import best_cohorts, retention_by_cohort, why_cohorts_differ
from tests.independent.answers_customers import (
    customer_base,
    customer_groups,
    customer_loyalty,
    customer_segments,
    high_value_customers,
    months_with_orders,
    orders_as_guest,
    revenue_by_customer_decile,
    satisfaction,
    several_channels,
    shipping_of_high_value_customers,
    subscribers,
)
from tests.independent.answers_known import Known
from tests.independent.answers_marketing import (
    bundles,
    discounts_and_baskets,
    future_best_customers,
    offers_for_customers,
    products_to_offer,
    products_to_show_with,
    promo_codes,
    reachable_audiences,
    value_at_risk,
    what_to_do_next,
    where_pairs_hold,
    won_back_first,
)
from tests.independent.answers_products import (
    assortment_gaps,
    competing_products,
    converting_products,
    popular_products,
    products_sold_on_discount,
    products_to_work_on,
    rising_products,
    second_products,
    tastes_of_groups,
    time_on_product_pages,
    time_to_purchase,
    viewed_not_bought,
)
from tests.independent.answers_returning import (
    customers_coming_back,
    customers_to_win_back,
    how_often_customers_buy,
    one_time_buyers,
    overdue_customers,
    segment_moves,
    slipped_champions,
)
from tests.independent.answers_sales import (
    last_month,
    returned_products,
    sales_by_category,
    stores_and_channels,
    why_sales_changed,
    yesterday,
)
from tests.independent.answers_visits import (
    busiest_times,
    cart_abandonment,
    carts_abandoned_yesterday,
    devices,
    funnel,
    how_often_visitors_come,
    locations_of_visitors,
    pages_losing_visitors,
    paths_through_the_shop,
    usability_problems,
    visit_channels,
    visits_by_week,
)
from tests.independent.tables import Rows

_FOUND: Sequence[Callable[[Known], Rows]] = (
    *(yesterday, last_month, why_sales_changed, sales_by_category, stores_and_channels, returned_products),
    *(converting_products, time_to_purchase, popular_products, rising_products, viewed_not_bought),
    *(products_to_work_on, assortment_gaps, competing_products, tastes_of_groups),
    *(second_products, time_on_product_pages, products_sold_on_discount),
    *(revenue_by_customer_decile, high_value_customers, shipping_of_high_value_customers, customer_segments),
    *(customer_loyalty, customers_to_win_back, slipped_champions, segment_moves, customers_coming_back),
    *(how_often_customers_buy, overdue_customers, one_time_buyers, subscribers, several_channels, customer_base),
    *(orders_as_guest, where_pairs_hold),
    *(months_with_orders, satisfaction, customer_groups, best_cohorts, why_cohorts_differ, retention_by_cohort),
    *(funnel, busiest_times, devices, locations_of_visitors, pages_losing_visitors, usability_problems),
    *(paths_through_the_shop, cart_abandonment, carts_abandoned_yesterday, how_often_visitors_come),
    *(visits_by_week, visit_channels, discounts_and_baskets, promo_codes, reachable_audiences),
    *(products_to_offer, bundles, offers_for_customers, products_to_show_with),
    *(future_best_customers, value_at_risk, won_back_first, what_to_do_next),
)
ANSWERS = {found.__name__: found for found in _FOUND}
"""By question."""
