-- One row per class of days since the last order and class of orders: how many customers are in it, and what is
-- expected of them in twelve months. It is the view of recency and frequency in which customers of equal value lie
-- on curves (Fader, Hardie & Lee 2005, "RFM and CLV: Using Iso-Value Curves for Customer Base Analysis"): of those
-- who ordered long ago the frequent ones are worth least, since their silence says most. Every cell stands here,
-- with 0 customers and no mean where nobody is in it. Orders are days with orders.
with recency_classes as (
    select 1::smallint as recency_order, 0 as days_from, 29 as days_to, '0-29' as recency_class
    union all
    select 2::smallint as recency_order, 30 as days_from, 59 as days_to, '30-59' as recency_class
    union all
    select 3::smallint as recency_order, 60 as days_from, 89 as days_to, '60-89' as recency_class
    union all
    select 4::smallint as recency_order, 90 as days_from, 179 as days_to, '90-179' as recency_class
    union all
    select 5::smallint as recency_order, 180 as days_from, 364 as days_to, '180-364' as recency_class
    union all
    select 6::smallint as recency_order, 365 as days_from, null as days_to, '365+' as recency_class
),

frequency_classes as (
    select 1::smallint as frequency_order, 1 as orders_from, 1 as orders_to, '1' as frequency_class
    union all
    select 2::smallint as frequency_order, 2 as orders_from, 2 as orders_to, '2' as frequency_class
    union all
    select 3::smallint as frequency_order, 3 as orders_from, 3 as orders_to, '3' as frequency_class
    union all
    select 4::smallint as frequency_order, 4 as orders_from, 5 as orders_to, '4-5' as frequency_class
    union all
    select 5::smallint as frequency_order, 6 as orders_from, 9 as orders_to, '6-9' as frequency_class
    union all
    select 6::smallint as frequency_order, 10 as orders_from, null as orders_to, '10+' as frequency_class
),

customers as (
    select
        c.as_of_date - v.last_occasion_date as recency_days,
        v.occasions,
        v.expected_orders_365d::numeric(18, 6) as expected_orders,
        v.churn_risk_90d::numeric(18, 6) as churn_risk,
        v.clv_12m
    from customer.lifetime_value as v
    cross join core.clock as c
),

cells as (
    select
        r.recency_order,
        f.frequency_order,
        count(*) as customers,
        sum(m.expected_orders) as expected_orders,
        sum(m.churn_risk) as churn_risk,
        sum(m.clv_12m) as clv_12m
    from customers as m
    inner join recency_classes as r
        on m.recency_days >= r.days_from and m.recency_days <= coalesce(r.days_to, m.recency_days)
    inner join frequency_classes as f
        on m.occasions >= f.orders_from and m.occasions <= coalesce(f.orders_to, m.occasions)
    group by r.recency_order, f.frequency_order
),

final as (
    select
        r.recency_order,
        f.frequency_order,
        r.recency_class,
        f.frequency_class as orders_class,
        coalesce(e.customers, 0) as customers,
        coalesce(e.clv_12m, 0) as clv_12m,
        e.clv_12m / nullif(e.customers, 0) as mean_clv_12m,
        e.expected_orders::double precision / nullif(e.customers, 0) as mean_expected_orders_365d,
        e.churn_risk::double precision / nullif(e.customers, 0) as mean_churn_risk_90d,
        coalesce(e.customers, 0) < p.min_group_size as low_n,
        c.currency
    from recency_classes as r
    cross join frequency_classes as f
    cross join core.parameters as p
    cross join core.clock as c
    left join cells as e on r.recency_order = e.recency_order and f.frequency_order = e.frequency_order
)

select * from final
