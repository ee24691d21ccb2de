-- One row per table of lifetime value and figure that is compared with the orders and the sales of customers.
with clock as (
    select c.as_of_date
    from core.clock as c
),

buyers as (
    select o.customer_id
    from core.orders as o
    cross join clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

sales as (
    select sum(s.net_sales) as net_sales
    from core.sales as s
    inner join buyers as b on s.customer_id = b.customer_id
    cross join clock as c
    where s.sold_date <= c.as_of_date
),

customers as (
    select count(*) as customers
    from buyers as b
),

summaries as (
    select
        count(*) as customers,
        sum(s.historic_value) as historic_value
    from customer.purchase_summary as s
    where s.observation = 'all'
),

valued as (
    select
        count(*) as customers,
        count(b.customer_id) as buyers,
        sum(v.historic_value) as historic_value
    from customer.lifetime_value as v
    left join buyers as b on v.customer_id = b.customer_id
),

compared as (
    select
        'customer.purchase_summary' as derived,
        'customers' as item,
        s.customers as left_value,
        c.customers as right_value
    from summaries as s
    cross join customers as c
    union all
    select
        'customer.purchase_summary' as derived,
        'net sales' as item,
        coalesce(s.historic_value, 0) as left_value,
        coalesce(n.net_sales, 0) as right_value
    from summaries as s
    cross join sales as n
    union all
    select
        'customer.lifetime_value' as derived,
        'customers' as item,
        v.customers as left_value,
        c.customers as right_value
    from valued as v
    cross join customers as c
    union all
    select
        'customer.lifetime_value' as derived,
        'customers with an order' as item,
        v.buyers as left_value,
        c.customers as right_value
    from valued as v
    cross join customers as c
    union all
    select
        'customer.lifetime_value' as derived,
        'net sales' as item,
        coalesce(v.historic_value, 0) as left_value,
        coalesce(n.net_sales, 0) as right_value
    from valued as v
    cross join sales as n
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
