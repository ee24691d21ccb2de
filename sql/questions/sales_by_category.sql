-- Which categories drive revenue?
-- One row per category, by net sales over all time; the shares of all categories add up to 1. An order with
-- products of two categories counts in both, so orders and customers must not be added up; `aov` is what the
-- category brought per order that contains it. The last complete month and its growth against the month
-- before stand beside, growth is NULL where the month before is missing or not above 0. Products without a
-- category are `Unknown`.
with drivers as (
    select
        d.member_name,
        d.period,
        d.period_name,
        d.is_complete,
        d.net_sales,
        d.share,
        d.orders,
        d.customers,
        d.gross_less_discounts,
        d.aov,
        d.net_sales_prev,
        d.net_sales_growth,
        d.currency
    from kpi.revenue_drivers as d
    where d.dimension = 'category'
),

last_month as (
    select max(d.period) as period
    from drivers as d
    where d.is_complete
),

final as (
    select
        row_number() over (order by a.net_sales desc, a.member_name) as rank,
        a.member_name as category,
        a.net_sales,
        a.share,
        a.orders,
        a.customers,
        a.gross_less_discounts,
        a.aov,
        m.period_name as last_month_name,
        m.net_sales as last_month_net_sales,
        m.net_sales_prev as month_before_net_sales,
        m.net_sales_growth as last_month_growth,
        a.currency
    from drivers as a
    cross join last_month as l
    left join drivers as m on a.member_name = m.member_name and l.period = m.period
    where a.period is null
)

select * from final
order by rank
