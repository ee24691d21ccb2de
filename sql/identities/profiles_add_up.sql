-- One row per table of customers and sum that is compared with the customers, orders, sales lines and visits.
with clock as (
    select c.as_of_date
    from core.clock as c
),

customers as (
    select count(*) as customers
    from core.customers as m
),

orders as (
    select
        count(*) as orders,
        count(distinct o.customer_id) as purchasing_customers
    from core.orders as o
    cross join clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
),

sales as (
    select coalesce(sum(s.net_sales), 0) as net_sales
    from core.sales as s
    cross join clock as c
    where s.customer_id is not null and s.sold_date <= c.as_of_date
),

visits as (
    select count(*) as sessions
    from core.visits as v
    where v.customer_id is not null
),

seen as (
    select a.customer_id
    from core.activity as a
    where a.customer_id is not null
    union
    select o.customer_id
    from core.orders as o
    cross join clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
),

profiles as (
    select
        count(*) as customers,
        coalesce(sum(p.orders), 0) as orders,
        coalesce(sum(p.net_sales), 0) as net_sales,
        coalesce(sum(p.sessions), 0) as sessions
    from customer.profile as p
),

compared as (
    select
        'customer.profile' as derived,
        'customers' as item,
        p.customers as left_value,
        c.customers as right_value
    from profiles as p
    cross join customers as c
    union all
    select
        'customer.profile' as derived,
        'orders' as item,
        p.orders as left_value,
        o.orders as right_value
    from profiles as p
    cross join orders as o
    union all
    select
        'customer.profile' as derived,
        'net sales' as item,
        p.net_sales as left_value,
        s.net_sales as right_value
    from profiles as p
    cross join sales as s
    union all
    select
        'customer.profile' as derived,
        'sessions' as item,
        p.sessions as left_value,
        v.sessions as right_value
    from profiles as p
    cross join visits as v
    union all
    select
        'customer.category_features' as derived,
        'net sales' as item,
        coalesce(sum(f.net_sales), 0) as left_value,
        max(s.net_sales) as right_value
    from sales as s
    left join customer.category_features as f on true
    union all
    select
        'customer.loyalty' as derived,
        'customers' as item,
        (select count(*) from customer.loyalty as l) as left_value,
        c.customers as right_value
    from customers as c
    union all
    select
        'customer.groups' as derived,
        'customers' as item,
        (select count(*) from customer.groups as g) as left_value,
        c.customers as right_value
    from customers as c
    union all
    select
        'customer.order_intervals' as derived,
        'customers with an order' as item,
        (select count(*) from customer.order_intervals as i) as left_value,
        o.purchasing_customers as right_value
    from orders as o
    union all
    select
        'customer.engagement' as derived,
        'customers with an event or an order' as item,
        (select count(*) from customer.engagement as e) as left_value,
        (select count(*) from seen as s) as right_value
    from customers as c
),

final as (
    select
        c.derived,
        c.item,
        c.left_value,
        c.right_value,
        c.left_value - c.right_value as difference
    from compared as c
)

select * from final
