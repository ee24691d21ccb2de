-- How do stores and channels compare?
-- One row per channel (shops, online, marketplaces) and then one per store, each by net sales over all time;
-- the shares of a breakdown add up to 1. A return counts where it was given back. A customer of two stores
-- counts in both, so customers must not be added up. The last complete month and its growth against the month
-- before stand beside.
with drivers as (
    select
        d.dimension as breakdown,
        d.member,
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
    where d.dimension in ('channel', 'store')
),

last_month as (
    select max(d.period) as period
    from drivers as d
    where d.is_complete
),

final as (
    select
        a.breakdown,
        row_number() over (partition by a.breakdown order by a.net_sales desc, a.member) as rank,
        a.member,
        a.member_name,
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
    left join drivers as m on a.breakdown = m.breakdown and a.member = m.member and l.period = m.period
    where a.period is null
)

select * from final
order by breakdown, rank
