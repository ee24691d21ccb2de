-- What changed since last month, and why?
-- Net sales of the last complete month against those of the month before, split in three ways (`breakdown`):
-- by factors (customers who bought, orders per customer, net value per order, guests), by category and by
-- channel. The effects of one split add up to the whole change; splits are alternatives and must not be added
-- together. `value_before` and `value_after` are the factor itself, or net sales of the category or channel.
-- It describes and proves no cause.
with factors as (
    select
        g.period,
        g.period_name,
        g.driver,
        g.value_before,
        g.value_after,
        g.effect,
        g.share_of_change,
        g.net_sales_prev,
        g.net_sales,
        g.net_sales_change,
        g.currency,
        g.sort_order
    from kpi.growth_drivers as g
),

members as (
    select
        d.dimension,
        d.member_name,
        d.period,
        d.net_sales,
        d.net_sales_prev,
        d.net_sales_change
    from kpi.revenue_drivers as d
    where d.dimension in ('category', 'channel') and d.period is not null
),

last_month as (
    select max(f.period) as period
    from factors as f
),

totals as (
    select
        f.period,
        f.period_name,
        max(f.net_sales_prev) as net_sales_prev,
        max(f.net_sales) as net_sales,
        max(f.net_sales_change) as net_sales_change,
        max(f.currency) as currency
    from factors as f
    inner join last_month as l on f.period = l.period
    group by f.period, f.period_name
),

split_up as (
    select
        'factors' as breakdown,
        1 as split_order,
        f.driver,
        f.value_before,
        f.value_after,
        f.effect
    from factors as f
    inner join last_month as l on f.period = l.period
    union all
    select
        m.dimension as breakdown,
        case m.dimension when 'category' then 2 else 3 end as split_order,
        m.member_name as driver,
        m.net_sales_prev::double precision as value_before,
        m.net_sales::double precision as value_after,
        m.net_sales_change as effect
    from members as m
    inner join last_month as l on m.period = l.period
),

final as (
    select
        t.period_name,
        s.breakdown,
        row_number() over (partition by s.breakdown order by abs(s.effect) desc, s.driver) as rank,
        s.driver,
        s.value_before,
        s.value_after,
        s.effect,
        s.effect::double precision / nullif(t.net_sales_change, 0) as share_of_change,
        t.net_sales_prev,
        t.net_sales,
        t.net_sales_change,
        t.currency,
        s.split_order as sort_order
    from split_up as s
    cross join totals as t
)

select * from final
order by sort_order, rank
