-- One row per table and period, breakdown or all whose net sales are compared with the lines of core.sales.
-- Each table is held against a scope: days, months, all time, or all time without guests where it is about
-- customers.
with lines as (
    select
        s.sold_month,
        s.sold_date,
        s.is_guest,
        s.net_sales
    from core.sales as s
    cross join core.clock as c
    where s.sold_date <= c.as_of_date
),

sums as (
    select 'months' as scope, to_char(l.sold_month, 'YYYY-MM') as item, sum(l.net_sales) as net_sales
    from lines as l
    group by to_char(l.sold_month, 'YYYY-MM')
    union all
    select 'days' as scope, l.sold_date::text as item, sum(l.net_sales) as net_sales
    from lines as l
    group by l.sold_date::text
    union all
    select 'all' as scope, 'all' as item, sum(l.net_sales) as net_sales
    from lines as l
    union all
    select 'customers' as scope, 'all customers' as item,
        sum(l.net_sales) filter (where not l.is_guest) as net_sales
    from lines as l
),

dimensions as (
    select 'product' as dimension
    union all
    select 'category' as dimension
    union all
    select 'season' as dimension
    union all
    select 'size' as dimension
    union all
    select 'color' as dimension
    union all
    select 'brand' as dimension
    union all
    select 'payment_method' as dimension
    union all
    select 'promo_code' as dimension
    union all
    select 'shipping_type' as dimension
    union all
    select 'store' as dimension
    union all
    select 'channel' as dimension
    union all
    select 'device_type' as dimension
    union all
    select 'location' as dimension
    union all
    select 'gender' as dimension
    union all
    select 'age_group' as dimension
),

compared as (
    select 'kpi.daily' as derived, 'days' as scope, '' as prefix
    union all
    select 'kpi.weekly' as derived, 'all' as scope, '' as prefix
    union all
    select 'kpi.monthly' as derived, 'months' as scope, '' as prefix
    union all
    select 'kpi.quarterly' as derived, 'all' as scope, '' as prefix
    union all
    select 'kpi.yearly' as derived, 'all' as scope, '' as prefix
    union all
    select 'kpi.by_product' as derived, 'months' as scope, '' as prefix
    union all
    select 'kpi.by_category' as derived, 'months' as scope, '' as prefix
    union all
    select 'kpi.by_store' as derived, 'months' as scope, '' as prefix
    union all
    select 'kpi.by_channel' as derived, 'months' as scope, '' as prefix
    union all
    select 'kpi.by_location' as derived, 'months' as scope, '' as prefix
    union all
    select 'kpi.revenue_drivers' as derived, 'months' as scope, d.dimension || ' ' as prefix
    from dimensions as d
    union all
    select 'kpi.revenue_drivers' as derived, 'all' as scope, d.dimension || ' ' as prefix
    from dimensions as d
    union all
    select 'kpi.purchases' as derived, 'all' as scope, 'all ' as prefix
    union all
    select 'kpi.purchases' as derived, 'months' as scope, 'month ' as prefix
    union all
    select 'kpi.purchases' as derived, 'all' as scope, 'season ' as prefix
    union all
    select 'kpi.purchases' as derived, 'all' as scope, 'category ' as prefix
    union all
    select 'kpi.shipping_preferences' as derived, 'all' as scope, 'all ' as prefix
    union all
    select 'kpi.shipping_preferences' as derived, 'all' as scope, 'loyalty ' as prefix
    union all
    select 'kpi.shipping_preferences' as derived, 'all' as scope, 'location ' as prefix
    union all
    select 'kpi.revenue_concentration' as derived, 'customers' as scope, '' as prefix
    union all
    select 'kpi.revenue_concentration_summary' as derived, 'customers' as scope, '' as prefix
    union all
    select 'kpi.cross_channel' as derived, 'customers' as scope, '' as prefix
    union all
    select 'questions.sales_by_location' as derived, 'all' as scope, '' as prefix
    union all
    select 'questions.revenue_by_gender' as derived, 'all' as scope, '' as prefix
    union all
    select 'questions.yoy_growth' as derived, 'all' as scope, '' as prefix
),

amounts as (
    select c.derived, c.prefix || s.item as item, 0 as left_value, s.net_sales as right_value
    from compared as c
    inner join sums as s on c.scope = s.scope
    union all
    select 'kpi.daily' as derived, k.period_name as item, k.net_sales as left_value, 0 as right_value
    from kpi.daily as k
    union all
    select 'kpi.weekly' as derived, 'all' as item, k.net_sales as left_value, 0 as right_value
    from kpi.weekly as k
    union all
    select 'kpi.monthly' as derived, k.period_name as item, k.net_sales as left_value, 0 as right_value
    from kpi.monthly as k
    union all
    select 'kpi.quarterly' as derived, 'all' as item, k.net_sales as left_value, 0 as right_value
    from kpi.quarterly as k
    union all
    select 'kpi.yearly' as derived, 'all' as item, k.net_sales as left_value, 0 as right_value
    from kpi.yearly as k
    union all
    select 'kpi.by_product' as derived, to_char(k.month, 'YYYY-MM') as item, k.net_sales as left_value,
        0 as right_value
    from kpi.by_product as k
    union all
    select 'kpi.by_category' as derived, to_char(k.month, 'YYYY-MM') as item, k.net_sales as left_value,
        0 as right_value
    from kpi.by_category as k
    union all
    select 'kpi.by_store' as derived, to_char(k.month, 'YYYY-MM') as item, k.net_sales as left_value,
        0 as right_value
    from kpi.by_store as k
    union all
    select 'kpi.by_channel' as derived, to_char(k.month, 'YYYY-MM') as item, k.net_sales as left_value,
        0 as right_value
    from kpi.by_channel as k
    union all
    select 'kpi.by_location' as derived, to_char(k.month, 'YYYY-MM') as item, k.net_sales as left_value,
        0 as right_value
    from kpi.by_location as k
    union all
    select 'kpi.revenue_drivers' as derived, k.dimension || ' ' || k.period_name as item,
        k.net_sales as left_value, 0 as right_value
    from kpi.revenue_drivers as k
    union all
    select 'kpi.purchases' as derived,
        k.breakdown || ' ' || case when k.breakdown = 'month' then k.member else 'all' end as item,
        k.net_sales as left_value, 0 as right_value
    from kpi.purchases as k
    union all
    select 'kpi.shipping_preferences' as derived, k.breakdown || ' all' as item, k.net_sales as left_value,
        0 as right_value
    from kpi.shipping_preferences as k
    union all
    select 'kpi.revenue_concentration' as derived, 'all customers' as item, k.net_sales as left_value,
        0 as right_value
    from kpi.revenue_concentration as k
    union all
    select 'kpi.revenue_concentration_summary' as derived, 'all customers' as item, k.net_sales as left_value,
        0 as right_value
    from kpi.revenue_concentration_summary as k
    union all
    select 'kpi.cross_channel' as derived, 'all customers' as item, k.net_sales as left_value,
        0 as right_value
    from kpi.cross_channel as k
    union all
    select 'kpi.growth_drivers' as derived, k.period_name as item, k.net_sales as left_value,
        coalesce(s.net_sales, 0) as right_value
    from kpi.growth_drivers as k
    left join sums as s on s.scope = 'months' and k.period_name = s.item
    union all
    select 'kpi.yesterday' as derived, k.day::text as item, k.amount as left_value,
        coalesce(s.net_sales, 0) as right_value
    from kpi.yesterday as k
    left join sums as s on s.scope = 'days' and k.day::text = s.item
    where k.figure = 'net_sales'
    union all
    select 'questions.sales_by_location' as derived, 'all' as item, q.net_sales as left_value,
        0 as right_value
    from questions.sales_by_location as q
    union all
    select 'questions.revenue_by_gender' as derived, 'all' as item, q.net_sales as left_value,
        0 as right_value
    from questions.revenue_by_gender as q
    union all
    select 'questions.yoy_growth' as derived, 'all' as item, q.net_sales as left_value, 0 as right_value
    from questions.yoy_growth as q
),

final as (
    select
        a.derived,
        a.item,
        coalesce(sum(a.left_value), 0) as left_value,
        coalesce(sum(a.right_value), 0) as right_value,
        coalesce(sum(a.left_value), 0) - coalesce(sum(a.right_value), 0) as difference
    from amounts as a
    group by a.derived, a.item
)

select * from final
