-- One row per loyalty segment: its customers, how many of them subscribe, and what they bought.
-- All four stand here, with zeros where nobody is in them. `subscriber_share` is of those whose subscription
-- is known: an unknown one is not a refused one. Net sales and orders are the observed ones.
with segments as (
    select 'Prospect' as loyalty_segment, 1 as sort_order
    union all
    select 'New' as loyalty_segment, 2 as sort_order
    union all
    select 'Returning' as loyalty_segment, 3 as sort_order
    union all
    select 'Loyal' as loyalty_segment, 4 as sort_order
),

orders as (
    select
        o.customer_id,
        sum(o.order_value) as ordered_value
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

sales as (
    select
        s.customer_id,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join core.clock as c
    where s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id
),

sums as (
    select
        l.loyalty_segment,
        count(*) as customers,
        count(*) filter (where l.subscription_status) as subscribers,
        count(l.subscription_status) as customers_of_known_subscription,
        sum(l.orders_observed) as orders,
        sum(l.previous_declared) as previous_declared,
        sum(s.net_sales) as net_sales,
        sum(o.ordered_value) as ordered_value
    from customer.loyalty as l
    left join orders as o on l.customer_id = o.customer_id
    left join sales as s on l.customer_id = s.customer_id
    group by l.loyalty_segment
),

counted as (
    select
        g.loyalty_segment,
        g.sort_order,
        coalesce(t.customers, 0) as customers,
        coalesce(t.subscribers, 0) as subscribers,
        coalesce(t.customers_of_known_subscription, 0) as customers_of_known_subscription,
        coalesce(t.orders, 0) as orders,
        coalesce(t.previous_declared, 0) as previous_declared,
        coalesce(t.net_sales, 0) as net_sales,
        coalesce(t.ordered_value, 0) as ordered_value,
        t.subscribers::double precision as k,
        t.customers_of_known_subscription::double precision as n,
        1.959964::double precision as z
    from segments as g
    left join sums as t on g.loyalty_segment = t.loyalty_segment
),

bounded as (
    select
        c.loyalty_segment,
        (c.k + c.z * c.z / 2) / nullif(c.n + c.z * c.z, 0) as centre,
        c.z * sqrt(c.k * (c.n - c.k) / nullif(c.n, 0) + c.z * c.z / 4) / nullif(c.n + c.z * c.z, 0) as half
    from counted as c
    where c.n > 0
),

final as (
    select
        c.loyalty_segment,
        c.sort_order,
        c.customers,
        c.customers::double precision / nullif(sum(c.customers) over (), 0) as customer_share,
        c.subscribers,
        c.customers_of_known_subscription,
        c.k / nullif(c.n, 0) as subscriber_share,
        case when b.half is not null then greatest(b.centre - b.half, 0) end as ci_low,
        case when b.half is not null then least(b.centre + b.half, 1) end as ci_high,
        c.customers_of_known_subscription < p.min_group_size as low_n,
        c.orders,
        c.previous_declared,
        c.net_sales,
        c.net_sales::double precision / nullif(sum(c.net_sales) over (), 0) as net_sales_share,
        c.ordered_value,
        c.ordered_value / nullif(c.orders, 0) as aov,
        y.currency
    from counted as c
    cross join core.parameters as p
    cross join core.clock as y
    left join bounded as b on c.loyalty_segment = b.loyalty_segment
)

select * from final
