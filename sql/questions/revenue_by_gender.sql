-- Do women or men bring more revenue?
-- One row per gender, always all of them, and one for guests, over all time; the rows add up to all net sales.
-- `customers` are those with an order, `net_sales_per_customer` is NULL for guests.
with genders as (
    select 'female' as gender, 1 as sort_order
    union all
    select 'male' as gender, 2 as sort_order
    union all
    select 'other' as gender, 3 as sort_order
    union all
    select 'unknown' as gender, 4 as sort_order
    union all
    select 'guest' as gender, 5 as sort_order
),

sales as (
    select
        s.customer_id,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join core.clock as c
    where s.sold_date <= c.as_of_date
    group by s.customer_id
),

orders as (
    select
        o.customer_id,
        count(*) as orders,
        sum(o.order_value) as order_value
    from core.orders as o
    cross join core.clock as c
    where o.order_date <= c.as_of_date
    group by o.customer_id
),

by_gender as (
    select
        case when s.customer_id is null then 'guest' else m.gender end as gender,
        sum(s.net_sales) as net_sales,
        sum(o.orders)::bigint as orders,
        sum(o.order_value) as order_value,
        count(distinct o.customer_id) as customers
    from sales as s
    left join orders as o on s.customer_id is not distinct from o.customer_id
    left join core.customers as m on s.customer_id = m.customer_id
    group by case when s.customer_id is null then 'guest' else m.gender end
),

final as (
    select
        g.gender,
        coalesce(b.net_sales, 0) as net_sales,
        coalesce(b.net_sales, 0)::double precision / nullif(sum(b.net_sales) over (), 0) as share,
        coalesce(b.orders, 0) as orders,
        (b.order_value / nullif(b.orders, 0))::numeric(18, 4) as aov,
        coalesce(b.customers, 0) as customers,
        case
            when g.gender <> 'guest' then (b.net_sales / nullif(b.customers, 0))::numeric(18, 4)
        end as net_sales_per_customer,
        c.currency,
        g.sort_order
    from genders as g
    cross join core.clock as c
    left join by_gender as b on g.gender = b.gender
)

select
    f.gender,
    f.net_sales,
    f.share,
    f.orders,
    f.aov,
    f.customers,
    f.net_sales_per_customer,
    f.currency
from final as f
order by f.sort_order
