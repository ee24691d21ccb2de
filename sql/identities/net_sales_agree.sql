-- One row per table and period (or `all`) whose net sales are compared with the lines of core.sales.
with lines as (
    select
        s.sold_month,
        s.sold_date,
        s.net_sales
    from core.sales as s
    cross join core.clock as c
    where s.sold_date <= c.as_of_date
),

months as (
    select
        to_char(l.sold_month, 'YYYY-MM') as item,
        sum(l.net_sales) as net_sales
    from lines as l
    group by to_char(l.sold_month, 'YYYY-MM')
),

days as (
    select
        l.sold_date::text as item,
        sum(l.net_sales) as net_sales
    from lines as l
    group by l.sold_date::text
),

totals as (
    select
        'all' as item,
        sum(m.net_sales) as net_sales
    from months as m
),

amounts as (
    select 'kpi.daily' as derived, k.period_name as item, k.net_sales as left_value, 0 as right_value
    from kpi.daily as k
    union all
    select 'kpi.daily' as derived, d.item, 0 as left_value, d.net_sales as right_value from days as d
    union all
    select 'kpi.weekly' as derived, 'all' as item, k.net_sales as left_value, 0 as right_value
    from kpi.weekly as k
    union all
    select 'kpi.weekly' as derived, t.item, 0 as left_value, t.net_sales as right_value from totals as t
    union all
    select 'kpi.monthly' as derived, k.period_name as item, k.net_sales as left_value, 0 as right_value
    from kpi.monthly as k
    union all
    select 'kpi.monthly' as derived, m.item, 0 as left_value, m.net_sales as right_value from months as m
    union all
    select 'kpi.quarterly' as derived, 'all' as item, k.net_sales as left_value, 0 as right_value
    from kpi.quarterly as k
    union all
    select 'kpi.quarterly' as derived, t.item, 0 as left_value, t.net_sales as right_value from totals as t
    union all
    select 'kpi.yearly' as derived, 'all' as item, k.net_sales as left_value, 0 as right_value
    from kpi.yearly as k
    union all
    select 'kpi.yearly' as derived, t.item, 0 as left_value, t.net_sales as right_value from totals as t
    union all
    select 'kpi.by_product' as derived, to_char(k.month, 'YYYY-MM') as item, k.net_sales as left_value,
        0 as right_value
    from kpi.by_product as k
    union all
    select 'kpi.by_product' as derived, m.item, 0 as left_value, m.net_sales as right_value from months as m
    union all
    select 'kpi.by_category' as derived, to_char(k.month, 'YYYY-MM') as item, k.net_sales as left_value,
        0 as right_value
    from kpi.by_category as k
    union all
    select 'kpi.by_category' as derived, m.item, 0 as left_value, m.net_sales as right_value from months as m
    union all
    select 'kpi.by_store' as derived, to_char(k.month, 'YYYY-MM') as item, k.net_sales as left_value,
        0 as right_value
    from kpi.by_store as k
    union all
    select 'kpi.by_store' as derived, m.item, 0 as left_value, m.net_sales as right_value from months as m
    union all
    select 'kpi.by_location' as derived, to_char(k.month, 'YYYY-MM') as item, k.net_sales as left_value,
        0 as right_value
    from kpi.by_location as k
    union all
    select 'kpi.by_location' as derived, m.item, 0 as left_value, m.net_sales as right_value from months as m
    union all
    select 'questions.sales_by_location' as derived, 'all' as item, q.net_sales as left_value, 0 as right_value
    from questions.sales_by_location as q
    union all
    select 'questions.sales_by_location' as derived, t.item, 0 as left_value, t.net_sales as right_value
    from totals as t
    union all
    select 'questions.revenue_by_gender' as derived, 'all' as item, q.net_sales as left_value, 0 as right_value
    from questions.revenue_by_gender as q
    union all
    select 'questions.revenue_by_gender' as derived, t.item, 0 as left_value, t.net_sales as right_value
    from totals as t
    union all
    select 'questions.yoy_growth' as derived, 'all' as item, q.net_sales as left_value, 0 as right_value
    from questions.yoy_growth as q
    union all
    select 'questions.yoy_growth' as derived, t.item, 0 as left_value, t.net_sales as right_value
    from totals as t
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
