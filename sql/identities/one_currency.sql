-- One row per table of money: how many currencies the lines that count have, and which.
with currencies as (
    select distinct s.currency
    from core.sales as s
    where s.is_valid
),

found as (
    select
        count(*) as currencies,
        string_agg(coalesce(c.currency, 'none'), ', ' order by coalesce(c.currency, 'none')) as names
    from currencies as c
),

judged as (
    select 'kpi.periods' as derived
    union all
    select 'kpi.daily' as derived
    union all
    select 'kpi.weekly' as derived
    union all
    select 'kpi.monthly' as derived
    union all
    select 'kpi.quarterly' as derived
    union all
    select 'kpi.yearly' as derived
    union all
    select 'kpi.return_rates' as derived
    union all
    select 'kpi.yesterday' as derived
    union all
    select 'kpi.by_product' as derived
    union all
    select 'kpi.by_category' as derived
    union all
    select 'kpi.by_store' as derived
    union all
    select 'kpi.by_channel' as derived
    union all
    select 'kpi.by_location' as derived
    union all
    select 'kpi.cross_channel' as derived
    union all
    select 'kpi.order_traits' as derived
    union all
    select 'kpi.revenue_drivers' as derived
    union all
    select 'kpi.growth_drivers' as derived
    union all
    select 'kpi.revenue_concentration' as derived
    union all
    select 'kpi.revenue_concentration_summary' as derived
    union all
    select 'kpi.purchases' as derived
    union all
    select 'kpi.discount_effect' as derived
    union all
    select 'kpi.product_discounts' as derived
    union all
    select 'kpi.promo_codes' as derived
    union all
    select 'kpi.subscription_effect' as derived
    union all
    select 'kpi.shipping_preferences' as derived
    union all
    select 'kpi.lifecycle' as derived
    union all
    select 'kpi.stickiness' as derived
    union all
    select 'cohort.customer_months' as derived
    union all
    select 'cohort.drivers' as derived
    union all
    select 'cohort.groups' as derived
    union all
    select 'cohort.members' as derived
    union all
    select 'cohort.ranking' as derived
    union all
    select 'cohort.retention' as derived
    union all
    select 'questions.total_customers' as derived
    union all
    select 'questions.customers_by_gender' as derived
    union all
    select 'questions.customers_by_age_group' as derived
    union all
    select 'questions.top5_customers' as derived
    union all
    select 'questions.repeat_customers' as derived
    union all
    select 'questions.average_order_value' as derived
    union all
    select 'questions.sales_by_location' as derived
    union all
    select 'questions.revenue_by_gender' as derived
    union all
    select 'questions.top5_products_18_25' as derived
    union all
    select 'questions.inactive_customers' as derived
    union all
    select 'questions.yoy_growth' as derived
    union all
    select 'questions.best_cohorts' as derived
    union all
    select 'questions.busiest_times' as derived
    union all
    select 'questions.cart_abandonment' as derived
    union all
    select 'questions.carts_abandoned_yesterday' as derived
    union all
    select 'questions.converting_products' as derived
    union all
    select 'questions.customer_base' as derived
    union all
    select 'questions.customer_groups' as derived
    union all
    select 'questions.customer_loyalty' as derived
    union all
    select 'questions.customer_segments' as derived
    union all
    select 'questions.customers_coming_back' as derived
    union all
    select 'questions.customers_to_win_back' as derived
    union all
    select 'questions.devices' as derived
    union all
    select 'questions.discounts_and_baskets' as derived
    union all
    select 'questions.funnel' as derived
    union all
    select 'questions.high_value_customers' as derived
    union all
    select 'questions.how_often_customers_buy' as derived
    union all
    select 'questions.how_often_visitors_come' as derived
    union all
    select 'questions.last_month' as derived
    union all
    select 'questions.locations_of_visitors' as derived
    union all
    select 'questions.months_with_orders' as derived
    union all
    select 'questions.one_time_buyers' as derived
    union all
    select 'questions.overdue_customers' as derived
    union all
    select 'questions.pages_losing_visitors' as derived
    union all
    select 'questions.paths_through_the_shop' as derived
    union all
    select 'questions.popular_products' as derived
    union all
    select 'questions.products_sold_on_discount' as derived
    union all
    select 'questions.products_to_work_on' as derived
    union all
    select 'questions.promo_codes' as derived
    union all
    select 'questions.reachable_audiences' as derived
    union all
    select 'questions.retention_by_cohort' as derived
    union all
    select 'questions.returned_products' as derived
    union all
    select 'questions.revenue_by_customer_decile' as derived
    union all
    select 'questions.rising_products' as derived
    union all
    select 'questions.sales_by_category' as derived
    union all
    select 'questions.satisfaction' as derived
    union all
    select 'questions.second_products' as derived
    union all
    select 'questions.segment_moves' as derived
    union all
    select 'questions.several_channels' as derived
    union all
    select 'questions.shipping_of_high_value_customers' as derived
    union all
    select 'questions.slipped_champions' as derived
    union all
    select 'questions.stores_and_channels' as derived
    union all
    select 'questions.subscribers' as derived
    union all
    select 'questions.time_on_product_pages' as derived
    union all
    select 'questions.time_to_purchase' as derived
    union all
    select 'questions.usability_problems' as derived
    union all
    select 'questions.viewed_not_bought' as derived
    union all
    select 'questions.visit_channels' as derived
    union all
    select 'questions.visits_by_week' as derived
    union all
    select 'questions.why_cohorts_differ' as derived
    union all
    select 'questions.why_sales_changed' as derived
    union all
    select 'questions.yesterday' as derived
),

final as (
    select
        j.derived,
        'currencies: ' || coalesce(f.names, 'none') as item,
        f.currencies as left_value,
        1 as right_value,
        greatest(f.currencies - 1, 0) as difference
    from judged as j
    cross join found as f
)

select * from final
